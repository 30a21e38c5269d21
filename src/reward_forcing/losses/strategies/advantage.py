"""Re-DMD relative to other samples of the same prompt: hard prompts do not lose against easy ones."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.losses.weights import exponential, require_beta
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class Advantage:
    """Weights `exp(beta (reward - mean))`, the mean over all samples of the batch with the same prompt.

    `data.repeats` puts several samples of a prompt into a batch. A sample alone with its prompt counts 1.
    A weight like GRPO's, `1 + beta (reward - mean) / deviation`, is the same to first order in beta, but measures in
    units of the group's own spread, which makes much of small differences, and pushes samples away where negative.

    Raises:
        ValueError: `beta` is negative.
    """

    beta: float

    traits = Traits(compares=True)

    def __post_init__(self) -> None:
        require_beta(self.beta)

    def weights(self, samples: Samples) -> Rewards:
        """`exp(beta * advantage)`. Raises ValueError when no prompt has several samples."""
        same = samples.same_prompt()
        if len(samples) == same.sum():
            raise ValueError(
                "loss=advantage compares samples of one prompt; no prompt of this batch has several: "
                "set data.repeats to 2 or more, within module.student_recipe.micro_batches parts of a batch"
            )
        baseline = (same @ samples.rewards) / same.sum(1)
        return exponential(self.beta * (samples.rewards - baseline))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The weighted loss."""
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples)))
