"""VideoReward's three marks of whole videos (VideoAlign, Liu et al. 2025): motion, visual quality, text alignment.

The judge is `reward_forcing.rewards.video_align`, asked in the words it was trained on: without VideoAlign's own
question its marks are not VideoReward's, so that the metric is skipped. Frames: 2 a second, at least 4, spread from the
first to the last.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.signals import Asked, Chosen, Extractor, Watcher
from reward_forcing.codecs.files import fingerprint
from reward_forcing.rewards.video_align.frames import RATE, sampled
from reward_forcing.rewards.video_align.reward import DIMENSIONS, VideoAlign
from reward_forcing.videos import to_float

GFLOP: Final = 2300.0
"""Of two frames of 336 x 588: 1008 patches in the tower, 252 tokens in the language model."""
QUESTION_GFLOP: Final = 2600.0
"""Of a question of 1000 tokens."""


def marks(
    judge: VideoAlign, prompts: Sequence[str], chosen: UInt8[Tensor, "clip frame 3 height width"]
) -> Float[Tensor, "clip 3"]:
    """VQ, MQ and TA of videos, of frames that are chosen already; in standard deviations of what it learnt from."""
    return judge.scores(to_float(chosen), prompts)


def watch(asked: Asked, *, judge: VideoAlign) -> Mapping[str, Watcher]:
    """Marks of every part that is taken as a whole."""
    choose = partial(sampled, fps=asked.fps)
    return {"video_reward": Chosen(partial(marks, judge, asked.prompts), asked.windows, choose)}


def column(name: str) -> int:
    """Where a mark stands. Raises ValueError if it is none.

    >>> column("MQ")
    1
    """
    return DIMENSIONS.index(name)


def load_judge(weights: str | Path, template: str | Path, device: torch.device) -> VideoAlign:
    """The judge in a folder of KlingTeam/VideoReward's layout. It takes the frames it is given for 2 a second.

    Args:
        weights: the folder.
        template: VideoAlign's prompt_template.py.
        device: where it computes.

    Raises:
        ValueError: the files are not what they should be.
    """
    dtype: Literal["bfloat16", "float32"] = "bfloat16" if device.type == "cuda" else "float32"
    return VideoAlign(None, weights=str(weights), template=str(template), fps=RATE, dtype=dtype).to(device)


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    checkpoint, template = paths
    return partial(watch, judge=load_judge(checkpoint.parent.parent, template, device))


def _cost(footage: Footage) -> float:
    """The whole and its first clip; attention along very long videos comes on top."""
    return 2 * QUESTION_GFLOP + GFLOP * len(sampled(footage.frames, footage.fps))


def _about(paths: Sequence[Path]) -> str:
    """What lies beside the weights: how marks are normalised, and the words."""
    folder = paths[0].parent.parent
    names = ("model_config.json", "config.json", "tokenizer.json", "tokenizer_config.json")
    return f"beside it {fingerprint(folder / name for name in names if (folder / name).is_file())}"


BACKENDS: Final = (
    Backend(
        name="video_reward",
        title="VideoReward",
        libraries=("transformers",),
        files=(
            File(
                key="video_reward",
                names=("VideoReward/checkpoint-11352/model.pth",),
                size=5_100_000_000,
                licence="see KlingTeam/VideoReward",
                hint="hf download KlingTeam/VideoReward --local-dir checkpoints/evaluation/VideoReward, all of it; "
                "another step or folder: --weights video_reward=FOLDER/checkpoint-STEP/model.pth",
            ),
            File(
                key="video_reward_template",
                names=("VideoReward/prompt_template.py",),
                size=12_000,
                licence="see KlingTeam/VideoAlign",
                hint="prompt_template.py of https://github.com/KlingTeam/VideoAlign: the question it was trained on",
            ),
        ),
        load=_load,
        cost=_cost,
        about=_about,
    ),
)
