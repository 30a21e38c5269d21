"""What the student minimises."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores
from reward_forcing.shapes import Latents, Rewards

Differentiated: TypeAlias = Literal["scores", "reward"]
"""What a loss may differentiate besides the distance of samples to their targets."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What others must know about a loss; the defaults are those of a weighted DMD.

    Args:
        compares: weights depend on the other samples of the batch, of which there must be several.
        signed: weights may be negative.
        decay: of the running statistics of rewards, one step of the student.
        differentiates: what gradients flow through on their way to samples; nothing: the score gap is a constant.
    """

    compares: bool = False
    signed: bool = False
    decay: float = 0.99
    differentiates: frozenset[Differentiated] = field(default_factory=frozenset)


@runtime_checkable
class LossStrategy(Protocol):
    """A distribution matching loss over a batch; pure. The rewards in `samples` are never differentiated."""

    @property
    def traits(self) -> Traits:
        """What others must know about it."""

    def weights(self, samples: Samples) -> Rewards:
        """How much each sample's gradient counts, for all samples on all ranks."""

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The loss of this rank's samples `clean`, a mean over their entries."""


@runtime_checkable
class FakeScoreWeighting(Protocol):
    """A loss that also weighs the fake score's samples, which are judged, too, then."""

    def fake_score_weights(self, samples: Samples) -> Rewards:
        """How much each sample's error counts, for all samples on all ranks."""
