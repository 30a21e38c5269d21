"""UMT's probabilities of 400 actions in whole videos (human action). Network: `evaluation.networks.umt`.

The names of the actions, in the network's order, are read from the table of the user's copy of VBench.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.viclip import official_prompts
from evaluation.functional.agreement import action_of
from evaluation.networks.frames import middle_frames
from evaluation.networks.umt import Umt, action_probabilities, load_umt, read_actions
from evaluation.signals import Asked, Chosen, Extractor, Known, Watcher


def probabilities(network: Umt, chosen: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip action"]:
    """Of all actions, of frames that are chosen already."""
    return torch.stack([action_probabilities(network, frames) for frames in chosen])


def watch(asked: Asked, *, network: Umt, actions: Sequence[str]) -> Mapping[str, Watcher]:
    """Probabilities of all actions in the middle frames of every part, and the action that the prompt names."""
    choose = partial(middle_frames, count=network.frames)
    return {
        "actions": Chosen(partial(probabilities, network), asked.windows, choose),
        "action_wanted": Known(wanted(official_prompts(asked), actions)),
    }


def wanted(prompts: Sequence[str], actions: Sequence[str]) -> Float[Tensor, " clip"]:
    """The number of the action that each prompt names; NaN if it names none of them."""
    numbers = {action: float(number) for number, action in enumerate(actions)}
    return torch.tensor([numbers.get(action_of(prompt), torch.nan) for prompt in prompts])


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    actions, network = read_actions(paths[1]), load_umt(paths[0])
    if len(actions) != network.head.out_features:
        raise ValueError(f"umt: {paths[1]} names {len(actions)} actions; allowed: {network.head.out_features}")
    return partial(watch, network=network.to(device), actions=actions)


def _cost(_: Footage) -> float:
    """The whole and its first clip."""
    return 2 * 2866.0


BACKENDS: Final = (
    Backend(
        name="umt",
        title="UMT ViT-L/16",
        files=(
            File(
                key="umt",
                names=("l16_ptk710_ftk710_ftk400_f16_res224.pth",),
                size=1_216_000_000,
                licence="see OpenGVLab/unmasked_teacher",
                hint="https://huggingface.co/OpenGVLab/VBench_Used_Models",
                repo="OpenGVLab/VBench_Used_Models",
                repo_file="l16_ptk710_ftk710_ftk400_f16_res224.pth",
                cached=("umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth",),
            ),
            File(
                key="actions",
                names=("kinetics_400_categories.txt",),
                size=8_000,
                licence="Apache-2.0",
                hint="vbench/third_party/umt/kinetics_400_categories.txt of VBench (pip download vbench --no-deps)",
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
