"""DMD plus a reward that is differentiated, through the codec and to the samples."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reward_forcing.losses.protocols import Traits
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.score_gap import Scores, weighted_gap
from reward_forcing.rewards.protocols import DifferentiableReward, RewardModel
from reward_forcing.shapes import Latents, Rewards


@dataclass(frozen=True, kw_only=True)
class Additive:
    """The loss of DMD minus `strength` times the mean of the loss's own `reward`.

    The reward that judges samples plays no part in it; it is logged as under any other loss.

    Raises:
        ValueError: `reward` cannot be differentiated, or `strength` is negative.
    """

    reward: RewardModel
    strength: float

    traits = Traits(differentiates=frozenset({"reward"}))

    def __post_init__(self) -> None:
        if not isinstance(self.reward, DifferentiableReward):
            raise ValueError(  # noqa: TRY004 (what is wrong is a value of the config)
                f"loss.reward is {type(self.reward).__name__}, which cannot be differentiated; allowed: one with a "
                "method `differentiable`, such as reward_forcing.rewards.frame_difference.FrameDifference"
            )
        if self.strength < 0:
            raise ValueError(f"loss.strength is {self.strength}; it must be at least 0 (0 is DMD)")

    def weights(self, samples: Samples) -> Rewards:
        """Ones."""
        return samples.rewards.new_ones(len(samples))

    def __call__(self, clean: Latents, scores: Scores, samples: Samples) -> Float[Tensor, ""]:
        """The loss, with gradients through scaled gap and reward."""
        reward = self.reward.to(clean.device)
        assert isinstance(reward, DifferentiableReward)
        gained = reward.differentiable(clean, samples.mine(samples.prompts))
        return weighted_gap(clean, scores.gap, samples.mine(self.weights(samples))) - self.strength * gained.mean()
