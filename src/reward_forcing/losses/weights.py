"""Arithmetic of sample weights, shared by the strategies."""

from jaxtyping import Float
from torch import Tensor

from reward_forcing.shapes import Rewards

LARGEST_EXPONENT = 80.0
"""Above 88, exp overflows in fp32; a sample that far ahead is the only one that counts anyway."""

SMALLEST_TOTAL = 1e-30
"""Where no sample counts at all, shares and sizes are 0 instead of undefined."""


def exponential(exponent: Rewards) -> Rewards:
    """`exp`, but never infinite."""
    return exponent.clamp(max=LARGEST_EXPONENT).exp()


def capped(weights: Rewards, largest: float) -> Rewards:
    """The same weights, the largest cut down until none has more than the share `largest` of what is left of the sum.

    The k largest become `c = largest rest / (1 - k largest)`, where `rest` is the sum of the others and k the smallest
    number for which no other is above c. Where the share is not possible (below 1 / batch), all are equal.
    """
    ordered = weights.sort(descending=True).values
    rest = ordered.flip(0).cumsum(0).flip(0)
    for cut in range(len(weights)):
        if cut * largest >= 1:
            break
        cap = largest * rest[cut] / (1 - cut * largest)
        if ordered[cut] <= cap:
            return weights.minimum(cap) if cut else weights
    return ordered[-1].expand_as(weights).clone()


def effective_sample_size(weights: Rewards) -> Float[Tensor, ""]:
    """How many equally weighted samples carry as much information: `(sum w)^2 / sum w^2`, from 1 to the batch.

    Less than 1 where weights of both signs cancel; 0 where all are 0.
    """
    shares = weights / weights.abs().max().clamp_min(SMALLEST_TOTAL)
    return shares.sum().square() / shares.square().sum().clamp_min(SMALLEST_TOTAL)


def largest_share(weights: Rewards) -> Float[Tensor, ""]:
    """The largest weight's share of the sum, both taken without their signs."""
    sizes = weights.abs()
    return sizes.max() / sizes.sum().clamp_min(SMALLEST_TOTAL)


def require_beta(beta: float) -> None:
    """Refuse a negative sharpness. Raises ValueError."""
    if beta < 0:
        raise ValueError(f"loss.beta is {beta}; it must be at least 0 (0 is DMD)")


def require_share(name: str, share: float) -> None:
    """Refuse a share outside ]0, 1]. Raises ValueError."""
    if not 0 < share <= 1:
        raise ValueError(f"loss.{name} is {share}; it must be above 0 and at most 1")
