"""Whether videos show what they should, by features of pictures and words; how they look, by a head on features."""

from typing import Final

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

PERSON: Final = "person is "
"""In a prompt, what goes before its action."""

TOP: Final = 10
"""Of the aesthetic scale."""


def agreement(
    seen: Float[Tensor, "clip *row feature"], said: Float[Tensor, "clip feature"]
) -> Float[Tensor, "clip *row"]:
    """Cosines between what is seen in frames or videos and the words; a hundredth of CLIP's logits."""
    words = said.reshape(len(said), *[1] * (seen.ndim - 2), -1)
    return cosine_similarity(seen, words, dim=-1)


def aesthetic(
    features: Float[Tensor, "frame feature"], weight: Float[Tensor, "1 feature"], bias: Float[Tensor, " 1"]
) -> Float[Tensor, " frame"]:
    """LAION's linear head on features of length 1, as a share of the full mark."""
    scores: Tensor = (normalize(features.float(), dim=-1) @ weight.T + bias)[:, 0]
    return scores / TOP


def action_of(prompt: str) -> str:
    """The action that a prompt names; empty if it names none.

    >>> action_of("A person is riding a bike"), action_of("a cat")
    ('riding a bike', '')
    """
    return prompt.lower().rpartition(PERSON)[2] if PERSON in prompt.lower() else ""
