"""Optical flow by RAFT (torchvision's raft_large, 20 updates): for dynamic degree, and for the static filter.

Agreement with the RAFT of VBench 0.1.5 on equal random weights (26 Nov 2026, torch 2.15, torchvision 0.29, fp32, CPU):
flows are bit-identical, on sizes that need padding and on one that does not; strengths agree to 5e-8; the decision of
dynamic degree is the same for flows scaled to both sides of the threshold.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import pad

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.watchers import Remarked
from evaluation.functional.flow import MOVING, STILL, step, strength
from evaluation.networks.files import unwrapped
from evaluation.signals import Asked, Chosen, EachPair, Extractor, Watcher
from reward_forcing.codecs.files import read_tensors, require_fit
from reward_forcing.rewards.optical_flow import LEAST, STEP, load_raft

UPDATES: Final = 20
"""Refinements of the flow in VBench; torchvision's own number is 12."""

AT_ONCE: Final = 4
"""Pairs that the network sees together."""


def padded(frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame 3 rows columns"]:
    """Levels in [-1, 1], with their border repeated on both sides until RAFT takes them."""
    rows, columns = (-length % STEP for length in frames.shape[-2:])
    borders = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return pad(2 * (frames.float() / 255) - 1, borders, mode="replicate")


def strengths(
    network: nn.Module,
    rule: tuple[float, float],
    before: UInt8[Tensor, "pair 3 height width"],
    after: UInt8[Tensor, "pair 3 height width"],
    *,
    updates: int = UPDATES,
) -> Float[Tensor, " pair"]:
    """How strong the flow of every pair is, in units of the rule's threshold; NaN where frames are too small."""
    height, width = before.shape[-2:]
    if too_small(height, width):
        return torch.full((len(before),), torch.nan)
    device = next(network.parameters()).device
    found = []
    for first, then in zip(before.split(AT_ONCE), after.split(AT_ONCE), strict=True):
        flow: Any = network(padded(first.to(device)), padded(then.to(device)), num_flow_updates=updates)[-1]
        found.append(strength(flow, min(height, width), rule))
    return torch.cat(found)


def too_small(height: int, width: int) -> str:
    """Why frames of this size have no flow; empty if they have."""
    fits = min(height, width) + (-min(height, width) % STEP) >= LEAST
    return "" if fits else f"no optical flow: frames of {height} x {width}; RAFT needs {LEAST - STEP + 1} on each side"


def watch_motion(asked: Asked, *, network: nn.Module, updates: int = UPDATES) -> Mapping[str, Watcher]:
    """Flow between frames an eighth of a second apart."""
    look = partial(strengths, network, MOVING, updates=updates)
    return {"flow": Remarked(EachPair(look, step(asked.fps)), too_small)}


def watch_stillness(asked: Asked, *, network: nn.Module, updates: int = UPDATES) -> Mapping[str, Watcher]:
    """Flow between neighbouring frames, and from end to end of every part."""
    look = partial(strengths, network, STILL, updates=updates)
    ends = Chosen(partial(there_and_back, look), asked.windows, lambda length: (0, length - 1))
    return {"flow_steps": Remarked(EachPair(look), too_small), "flow_ends": ends}


def there_and_back(look: Any, ends: UInt8[Tensor, "clip 2 3 height width"]) -> Float[Tensor, "clip 2"]:
    """Strengths from the first frame to the last, and back."""
    first, last = ends.unbind(1)
    return torch.stack([look(first, last), look(last, first)], 1)


@cache
def opened(path: Path, device: torch.device) -> nn.Module:
    """RAFT from torchvision's file, or from the authors' `raft-things.pth`.

    Raises:
        ValueError: the file holds something else.
    """
    tensors = unwrapped(read_tensors(path, "raft"), ())
    network = load_raft("raft_large", None)
    named = {torchvision_name(name): tensor for name, tensor in tensors.items() if ".norm3." not in name}
    require_fit(network.state_dict(), named, f"raft: {path}", "torchvision's raft_large")
    network.load_state_dict(named)
    return network.to(device)


NAMES: Final = (
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"encoder\.conv1\.", "encoder.convnormrelu.0."),
    (r"encoder\.norm1\.", "encoder.convnormrelu.1."),
    (r"encoder\.conv2\.", "encoder.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"^update_block\.encoder\.convc(\d)\.", r"update_block.motion_encoder.convcorr\1.0."),
    (r"^update_block\.encoder\.convf(\d)\.", r"update_block.motion_encoder.convflow\1.0."),
    (r"^update_block\.encoder\.conv\.", "update_block.motion_encoder.conv.0."),
    (r"^update_block\.gru\.conv([zrq])(\d)\.", r"update_block.recurrent_block.convgru\2.conv\1."),
    (r"^update_block\.mask\.0\.", "mask_predictor.convrelu.0."),
    (r"^update_block\.mask\.2\.", "mask_predictor.conv."),
)
"""From the authors' names to torchvision's, one rule after the other."""


def torchvision_name(name: str) -> str:
    """What torchvision calls a tensor of the authors'; names of its own stay.

    >>> torchvision_name("cnet.layer1.0.norm2.weight")
    'context_encoder.layer1.0.convnormrelu2.1.weight'
    """
    for pattern, other in NAMES:
        name = re.sub(pattern, other, name)
    return name


def _load_motion(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_motion, network=opened(paths[0], device))


def _load_stillness(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch_stillness, network=opened(paths[0], device))


def _gflop(footage: Footage) -> float:
    """Of a pair: convolutions grow with the area, correlations with its square."""
    area = footage.height * footage.width / (480 * 832)
    return PER_AREA * area + PER_AREA_SQUARED * area**2


def _cost_motion(footage: Footage) -> float:
    return _gflop(footage) * max(0, -(-footage.frames // step(footage.fps)) - 1)


def _cost_stillness(footage: Footage) -> float:
    return _gflop(footage) * (footage.frames + 3)  # neighbours; end to end twice, of the whole and of its first clip


PER_AREA: Final = 941.2
PER_AREA_SQUARED: Final = 19.9
"""GFLOP of a pair at 480 x 832."""

FILES: Final = (
    File(
        key="raft",
        names=("raft_large_C_T_V1-22a6c225.pth", "raft-things.pth"),
        size=21_000_000,
        licence="BSD-3-Clause",
        hint="https://download.pytorch.org/models/raft_large_C_T_V1-22a6c225.pth, or VBench's raft-things.pth",
        url="https://download.pytorch.org/models/raft_large_C_T_V1-22a6c225.pth",
        cached=("raft_model/models/raft-things.pth",),
    ),
)
TITLE: Final = "RAFT"
BACKENDS: Final = (
    Backend(name="flow", title=TITLE, libraries=("torchvision",), files=FILES, load=_load_motion, cost=_cost_motion),
    Backend(
        name="stillness",
        title=TITLE,
        libraries=("torchvision",),
        files=FILES,
        load=_load_stillness,
        cost=_cost_stillness,
    ),
)
