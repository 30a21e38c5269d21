"""Several judges, one number: the weighted sum of their rewards."""

import math
from collections.abc import Mapping, Sequence

import torch

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded, require_prompts
from reward_forcing.rewards.protocols import PartedReward, PixelReward, RewardModel
from reward_forcing.shapes import Latents, Rewards


class WeightedSum:
    """Sum of weight times reward. Judges of pixels share what is decoded once.

    Args:
        codec: decodes for all judges of pixels; theirs are not used and may be None.
        rewards: judges by name.
        weights: a factor for each, by the same names.

    Raises:
        ValueError: there are no rewards, the names differ, or a weight is not finite.
    """

    def __init__(
        self, codec: LatentCodec | None, *, rewards: Mapping[str, RewardModel], weights: Mapping[str, float]
    ) -> None:
        if not rewards or set(rewards) != set(weights):
            raise ValueError(
                f"rewards.weighted_sum: the weights are for {', '.join(weights) or 'nothing'}; "
                f"the rewards are {', '.join(rewards) or 'none'}; both need the same names, at least one"
            )
        for name, weight in weights.items():
            if not math.isfinite(weight):
                raise ValueError(f"rewards.weighted_sum: weights.{name} is {weight}; it must be finite")
        self.codec, self.rewards, self.weights = codec, dict(rewards), dict(weights)

    @property
    def label(self) -> str:
        """What it is made of, for logs and reports."""
        return " + ".join(
            f"{weight:g} {getattr(self.rewards[name], 'label', name)}" for name, weight in self.weights.items()
        )

    def to(self, device: torch.device | str, /) -> "WeightedSum":
        """Itself, with all judges and the codec moved."""
        self.rewards = {name: reward.to(device) for name, reward in self.rewards.items()}
        self.codec = self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """The weighted sum for each sample.

        Raises:
            ValueError: not one prompt a sample, or a judge of pixels and no codec.
        """
        return self.total(self.parts(clean, prompts))

    @torch.no_grad()
    def parts(self, clean: Latents, prompts: Sequence[str]) -> dict[str, Rewards]:
        """Every judge's own rewards, not yet weighted; errors as for the sum."""
        require_prompts(len(clean), prompts, place="rewards.weighted_sum")
        pixels = {name: reward for name, reward in self.rewards.items() if isinstance(reward, PixelReward)}
        video = decoded(self.codec, clean, prompts, place="rewards.weighted_sum") if pixels else clean
        return {
            name: pixels[name].judge(video, prompts) if name in pixels else reward(clean, prompts)
            for name, reward in self.rewards.items()
        }

    def total(self, parts: Mapping[str, Rewards]) -> Rewards:
        """The weighted sum of parts."""
        return torch.stack([weight * parts[name] for name, weight in self.weights.items()]).sum(0)


def judged(reward: RewardModel, clean: Latents, prompts: Sequence[str]) -> tuple[Rewards, dict[str, Rewards]]:
    """Rewards, and their parts if they have some, for logs: a judge that is not calibrated is named so."""
    if not isinstance(reward, PartedReward):
        return reward(clean, prompts), {}
    parts = reward.parts(clean, prompts)
    judges: Mapping[str, RewardModel] = getattr(reward, "rewards", {})
    marks = {name: "" if getattr(judge, "calibrated", True) else "_uncalibrated" for name, judge in judges.items()}
    return reward.total(parts), {f"{name}{marks.get(name, '')}": part for name, part in parts.items()}
