"""What else lies in a GPU's memory: text encoders, codecs, reward models."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reward_forcing.plan.networks import WIDTHS
from reward_forcing.shapes import Geometry

PARAMETERS: Final = {
    "umt5.load_umt5": 5_680_910_336,
    "load_wan_codec": 126_892_531,
    "load_tiny_codec": 11_315_539,
    "ClipScore": 427_616_513,
    "OpticalFlow": 5_257_536,
    "video_align": 2_208_985_600,
}
"""What the end of a target, or a part of it, stands for: parameters of the published model."""

FIXED_WIDTHS: Final = {"ClipScore": 4, "OpticalFlow": 4, "video_align": 2}
"""Bytes of a parameter where a node does not say."""

DECODING: Final = 5760
"""Bytes a pixel of a video frame that decoding with Wan's VAE has in use: 30 maps of 96 channels in bf16 (assumed)."""


def resident(node: Any, *, offloaded: bool = False) -> dict[str, tuple[int, int]]:
    """Parameters and bytes of each model that a node keeps in memory all the time, or only while it is used."""
    found: dict[str, tuple[int, int]] = {}
    for target, part in _nodes(node):
        for name, parameters in PARAMETERS.items():
            if name in target and bool(part.get("offload")) == offloaded:
                width = WIDTHS.get(str(part.get("dtype")), FIXED_WIDTHS.get(name, 2))
                found[name] = (parameters, parameters * width)
    return found


def judging_bytes(reward: Any, geometry: Geometry, batch: int) -> int:
    """Bytes that a reward needs for a while: for decoding with Wan's codec, and of models that come from the CPU."""
    coming = resident(reward, offloaded=True).values()
    return sum(size for _, size in coming) + (decoding_bytes(geometry, batch) if decodes(reward) else 0)


def decodes(reward: Any) -> bool:
    """Whether a reward decodes samples with Wan's codec."""
    return any("load_wan_codec" in target for target, _ in _nodes(reward))


def offload(node: Any) -> None:
    """Set `offload` wherever a node has it, in place."""
    for _, part in _nodes(node):
        if "offload" in part and isinstance(part, dict):
            part["offload"] = True


def decoding_bytes(geometry: Geometry, batch: int) -> int:
    """Workspace of decoding whole clips, their pixels in fp32 included."""
    pixels = geometry.height * geometry.width * 64
    return batch * pixels * (DECODING + 3 * 4 * (4 * geometry.frames - 3))


def _nodes(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        if "_target_" in node and not node.get("_partial_"):
            yield str(node["_target_"]), node
        for key, value in node.items():
            if key != "encoder":  # of cached text: loaded and freed before the first step
                yield from _nodes(value)
