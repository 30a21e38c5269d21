"""ViCLIP's features of whole videos and of their prompts (temporal style, overall consistency).

Network and preparation: `evaluation.networks.viclip`. Where a video's metadata have an `official_prompt`, the video is
compared with that one, as VBench does whatever longer prompt the video was made from.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.networks.frames import middle_frames
from evaluation.networks.viclip import ViClip, load_viclip, text_features, video_feature
from evaluation.signals import Asked, Chosen, Extractor, Known, Watcher

OFFICIAL: Final = "official_prompt"
"""Key of a video's metadata under which its short prompt stands."""


def official_prompts(asked: Asked) -> list[str]:
    """What VBench knows the videos under."""
    return [str(known.get(OFFICIAL) or prompt) for known, prompt in zip(asked.known(), asked.prompts, strict=True)]


def video_features(
    network: ViClip, chosen: UInt8[Tensor, "clip frame 3 height width"]
) -> Float[Tensor, "clip feature"]:
    """One a video, of frames that are chosen already."""
    return torch.stack([video_feature(network, frames) for frames in chosen])


def watch(asked: Asked, *, network: ViClip) -> Mapping[str, Watcher]:
    """Features of the middle frames of every part, and of the prompts."""
    choose = partial(middle_frames, count=network.frames)
    return {
        "viclip": Chosen(partial(video_features, network), asked.windows, choose),
        "viclip_prompts": Known(text_features(network, official_prompts(asked))),
    }


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch, network=load_viclip(paths[0]).to(device))


def _cost(_: Footage) -> float:
    """The whole and its first clip."""
    return 2 * 1653.0


BACKENDS: Final = (
    Backend(
        name="viclip",
        title="ViCLIP-L",
        libraries=("open_clip",),
        files=(
            File(
                key="viclip",
                names=("ViClip-InternVid-10M-FLT.pth",),
                size=1_710_000_000,
                licence="see OpenGVLab/InternVid",
                hint="https://huggingface.co/OpenGVLab/VBench_Used_Models",
                repo="OpenGVLab/VBench_Used_Models",
                repo_file="ViClip-InternVid-10M-FLT.pth",
                cached=("ViCLIP/ViClip-InternVid-10M-FLT.pth",),
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
