"""A motion reward for the toy world: do sprite and camera move as the caption says, without breaking the picture?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded
from reward_forcing.shapes import Latents, Rewards, Video
from reward_forcing.toy import tracker
from reward_forcing.toy.captions import parse
from reward_forcing.toy.tracker import Track
from reward_forcing.toy.world import PAN_OF_WORD, SPEED_OF_WORD


@dataclass(frozen=True)
class MotionWeights:
    """How much each part counts. Sprite and pan are relative to the caption: a fast word outweighs no slow one.

    Args:
        sprite: shortfall of the sprite's displacement over `span` frames, 1 for standing still.
        pan: shortfall of the camera's, 1 for standing still (or for half a pixel a frame under `pan-still`).
        lost: share of frames without exactly one sprite.
        contrast: change of the background's contrast since the first chunk (absolute logarithm, at most 1): a strong
            pattern is easier to track, so contrast must not pay.
        jitter: mean second difference of the sprite's path in pixels, at most 3.
        bonus: how far beyond the caption motion still pays, as a share of what is asked.
        any_speed: what `any` asks of the sprite, pixels per frame.
        any_pan: what `pan-any` asks of the camera, pixels per frame.
        span: video frames over which displacement is taken, so that wobble does not count.
    """

    sprite: float = 1.0
    pan: float = 1.0
    lost: float = 1.0
    contrast: float = 0.5
    jitter: float = 0.2
    bonus: float = 0.1
    any_speed: float = 1.0
    any_pan: float = 0.8
    span: int = 4


class TrackedMotion:
    """Rewards in about [-5, 0.2]; the truth earns about 0. Needs at least `weights.span + 1` frames.

    Args:
        codec: decodes the samples; None: another decodes (a weighted sum).
        weights: how the parts are put together.
    """

    def __init__(self, codec: LatentCodec | None, weights: MotionWeights | None = None) -> None:
        self.codec, self.weights = codec, weights or MotionWeights()

    def to(self, device: torch.device | str, /) -> "TrackedMotion":
        """Itself, with its codec moved."""
        self.codec = self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """One reward a sample.

        Raises:
            ValueError: not one prompt a sample, or a prompt that is no caption of the toy world, or no codec.
        """
        return self.judge(decoded(self.codec, clean, prompts, place="rewards.tracked_motion"), prompts)

    @torch.no_grad()
    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:
        """One reward a video."""
        return motion_reward(tracker.track(video, prompts, redraw=False), prompts, self.weights)


def motion_reward(seen: Track, prompts: Sequence[str], weights: MotionWeights) -> Rewards:
    """The reward of what was seen; see MotionWeights for the parts."""
    drift = seen.contrast.clamp(min=1e-3).log().abs().clamp(max=1).mean(1)
    wobble = tracker.jitter(seen).nan_to_num(3.0).clamp(max=3)
    return (
        weights.sprite * _sprite_part(seen, prompts, weights)
        + weights.pan * _pan_part(seen, prompts, weights)
        - weights.lost * (1 - seen.one.float().mean(1))
        - weights.contrast * drift
        - weights.jitter * wobble
    )


def _sprite_part(seen: Track, prompts: Sequence[str], weights: MotionWeights) -> Rewards:
    """Displacement relative to the caption, minus 1; a sprite that is never seen for `span` frames has not moved."""
    asked = seen.shift.new_tensor([SPEED_OF_WORD.get(parse(prompt).speed, weights.any_speed) for prompt in prompts])
    moved = tracker.net_displacement(seen, weights.span).nanmean(1).nan_to_num(0.0) / weights.span
    return _shortfall(moved / asked, weights.bonus)


def _pan_part(seen: Track, prompts: Sequence[str], weights: MotionWeights) -> Rewards:
    """The same for the camera, whose direction counts; where it should stand, half a pixel a frame costs 1."""
    speed = tracker.pan_speed(seen)
    asked = speed.new_tensor([PAN_OF_WORD.get(parse(prompt).pan, weights.any_pan) for prompt in prompts])
    still = -(speed.abs() / PAN_OF_WORD["pan-slow"]).clamp(max=1)
    return torch.where(asked > 0, _shortfall(speed / asked.clamp(min=1e-6), weights.bonus), still)


def _shortfall(ratio: Float[Tensor, " clip"], bonus: float) -> Float[Tensor, " clip"]:
    return ratio.clamp(0, 1 + bonus) - 1
