"""VideoReward (VideoAlign, Liu et al. 2025): a Qwen2-VL marks visual quality, motion quality and text alignment."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded, require_prompts
from reward_forcing.rewards.residence import residence
from reward_forcing.rewards.video_align import frames, template
from reward_forcing.rewards.video_align.conversation import conversations
from reward_forcing.rewards.video_align.weights import load
from reward_forcing.shapes import Latents, Rewards, Video

DIMENSIONS = ("VQ", "MQ", "TA")
"""Order of the scores: visual quality, motion quality, text alignment."""


class VideoAlign:
    """VideoReward's normalised score of each sample; about 0 for the videos it was trained on, in standard deviations.

    Modes:
        correct: every sample, 2 frames a second, levels 0 to 255, as VideoAlign itself; `overall` is the sum.
        official: as Reward Forcing's released code (for comparison): all frames, levels -255 to 255, only the first
            sample is judged and all get its score; `overall` is the mean.

    MQ and VQ do not depend on the prompt, which comes later in the question and attention is causal.

    Args:
        codec: decodes the samples; None: another decodes (a weighted sum).
        weights: folder of the public checkpoint (KlingTeam/VideoReward).
        template: VideoAlign's prompt_template.py; None: a question in our own words, uncalibrated.
        tokenizer: folder with the tokenizer; None: the same as `weights`.
        dimension: the score that is the reward.
        mode: see above.
        fps: video frames a second.
        dtype: of the weights; bfloat16 as released.
        batch: videos judged together.
        offload: whether the judge waits on the CPU between uses.

    Raises:
        ValueError: a number or name is out of range, or files are not what they should be (see weights.load and
            template.read).
    """

    def __init__(
        self,
        codec: LatentCodec | None,
        *,
        weights: str | None,
        template: str | None,
        tokenizer: str | None = None,
        dimension: Literal["VQ", "MQ", "TA", "overall"] = "MQ",
        mode: Literal["correct", "official"] = "correct",
        fps: float = 16.0,
        dtype: Literal["bfloat16", "float32"] = "bfloat16",
        batch: int = 4,
        offload: bool = False,
    ) -> None:
        _require(weights, fps, batch)
        self.template = read_template(template)
        self.loaded = load(str(weights), tokenizer=tokenizer, dtype=getattr(torch, dtype))
        self.codec, self.dimension, self.mode = codec, dimension, mode
        self.fps, self.batch, self.offload, self.device = fps, batch, offload, torch.device("cpu")

    @property
    def calibrated(self) -> bool:
        """Whether the question is the one the judge was trained on; otherwise scores compare only with each other."""
        return self.template.calibrated

    @property
    def label(self) -> str:
        """What it is, for logs and reports."""
        notes: list[str] = [] if self.mode == "correct" else [self.mode]
        notes += [] if self.calibrated else ["uncalibrated"]
        return f"VideoReward {self.dimension}" + (f" ({', '.join(notes)})" if notes else "")

    def describe(self) -> dict[str, Any]:
        """Where scores come from, for records."""
        return {
            "label": self.label,
            "calibrated": self.calibrated,
            "checkpoint": str(self.loaded.checkpoint),
            "dimension": self.dimension,
            "mode": self.mode,
            "fps": self.fps,
            "normalisation": dict(self.loaded.settings.normalisation),
        }

    def to(self, device: torch.device | str, /) -> "VideoAlign":
        """Itself, with its codec moved; the judge follows when it is used."""
        self.device, self.codec = torch.device(device), self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """One reward a sample.

        Raises:
            ValueError: not one prompt a sample, no codec, or a prompt with a token that has a meaning for the judge.
        """
        return self.judge(decoded(self.codec, clean, prompts, place="rewards.video_align"), prompts)

    @torch.no_grad()
    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:
        """One reward a video in [-1, 1]; errors as for samples."""
        return self.total(self._named(self.scores(video, prompts)))

    @torch.no_grad()
    def parts(self, clean: Latents, prompts: Sequence[str]) -> dict[str, Rewards]:
        """VQ, MQ and TA of each sample by name (`MQ_uncalibrated` without VideoAlign's template); errors as above."""
        return self._named(self.scores(decoded(self.codec, clean, prompts, place="rewards.video_align"), prompts))

    def total(self, parts: Mapping[str, Rewards]) -> Rewards:
        """The reward, from the scores by name: one of them, their sum, or (official) their mean."""
        scores = dict(zip(DIMENSIONS, parts.values(), strict=True))
        if self.dimension != "overall":
            return scores[self.dimension]
        together = torch.stack([*scores.values()])
        return together.mean(0) if self.mode == "official" else together.sum(0)

    def _named(self, scores: Float[Tensor, "batch 3"]) -> dict[str, Rewards]:
        mark = "" if self.calibrated else "_uncalibrated"
        return {f"{name}{mark}": scores[:, column] for column, name in enumerate(DIMENSIONS)}

    @torch.no_grad()
    def scores(self, video: Video, prompts: Sequence[str]) -> Float[Tensor, "batch 3"]:
        """VQ, MQ and TA of each video in [-1, 1], normalised; errors as for samples."""
        require_prompts(len(video), prompts, place="rewards.video_align")
        judged = 1 if self.mode == "official" else len(video)
        videos = video[:judged].split(self.batch)
        questions = [self.template.filled(prompt) for prompt in prompts[:judged]]
        with residence(self.loaded.network, self.device, offload=self.offload) as network:
            parts = [
                self._raw(network, part, questions[first * self.batch :][: len(part)])
                for first, part in enumerate(videos)
            ]
        mean, deviation = torch.tensor([self.loaded.settings.normalisation[name] for name in DIMENSIONS]).T
        raw = torch.cat(parts).cpu()
        scores: Tensor = ((raw - mean) / deviation).expand(len(video), -1).to(video.device)
        return scores

    def _raw(self, network: Any, video: Video, questions: list[str]) -> Float[Tensor, "batch 3"]:
        pixels, grids = frames.patches(self._levels(video))
        tokens, places = conversations(self.loaded.tokenizer, questions, frames.tokens_of(grids))
        raw: Tensor = network(pixels, grids, tokens.to(self.device), places.to(self.device))
        return raw

    def _levels(self, video: Video) -> frames.Levels:
        """The frames that are looked at, on the device."""
        if self.mode == "official":
            return frames.official_levels(video.to(self.device))
        return frames.levels(video[:, frames.sampled(video.shape[1], self.fps)].to(self.device))


def read_template(path: str | None) -> template.Template:
    """The question; warns when it is in our own words. Errors as template.read."""
    question = template.read(path)
    if not question.calibrated:
        warnings.warn(
            "rewards.video_align: no template given, so VideoReward is asked in our own words, uncalibrated; "
            "set reward.template to VideoAlign's prompt_template.py",
            stacklevel=3,
        )
    return question


def _require(weights: str | None, fps: float, batch: int) -> None:
    if not weights:
        raise ValueError(
            "rewards.video_align: weights is null; give the folder of KlingTeam/VideoReward (checkpoints=wan has one)"
        )
    if not fps > 0:
        raise ValueError(f"rewards.video_align: fps is {fps}; it must be above 0")
    if batch < 1:
        raise ValueError(f"rewards.video_align: batch is {batch}; it must be at least 1")
