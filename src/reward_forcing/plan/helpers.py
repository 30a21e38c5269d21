"""What else lies in a GPU's memory: text encoders, codecs, reward models."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from reward_forcing.plan.networks import WIDTHS
from reward_forcing.shapes import Geometry

PARAMETERS: Final = {
    "umt5.load_umt5": 5_680_910_336,
    "load_wan_codec": 126_892_531,
    "load_tiny_codec": 11_315_539,
    "OpticalFlow": 5_257_536,
    "video_align": 2_208_985_600,
}
"""What the end of a target, or a part of it, stands for: parameters of the published model."""

CLIP: Final = "ClipScore"
"""The part of a target that stands for a CLIP of the architecture that its node names."""

FIXED_WIDTHS: Final = {"ClipScore": 4, "OpticalFlow": 4, "video_align": 2}
"""Bytes of a parameter where a node does not say."""

DECODING: Final = 5760
"""Bytes a pixel of a video frame that decoding with Wan's VAE has in use: 30 maps of 96 channels in bf16 (assumed)."""


def resident(node: Any, *, offloaded: bool = False) -> dict[str, tuple[int, int]]:
    """Parameters and bytes of each model that a node keeps in memory all the time, or only while it is used."""
    found: dict[str, tuple[int, int]] = {}
    for target, part in _nodes(node):
        for name in (*PARAMETERS, CLIP):
            if name in target and bool(part.get("offload")) == offloaded:
                parameters = clip_parameters(str(part["model"])) if name == CLIP else PARAMETERS[name]
                width = WIDTHS.get(str(part.get("dtype")), FIXED_WIDTHS.get(name, 2))
                found[name] = (parameters, parameters * width)
    return found


@cache
def clip_parameters(model: str) -> int:
    """Parameters of a CLIP, which is built without memory.

    Args:
        model: a name that open_clip knows, or a JSON file of a model.

    Raises:
        ValueError: there is no such model.
    """
    import open_clip
    import torch

    path = Path(model)
    if path.suffix == ".json" and path.is_file():
        open_clip.add_model_config(path)
    name = path.stem if path.suffix == ".json" else model
    if name not in open_clip.list_models():
        raise ValueError(f"plan: a CLIP is called {model!r}, which open_clip does not know; allowed: such as ViT-L-14")
    with torch.device("meta"):
        clip = open_clip.create_model(name, pretrained=None, load_weights=False, device="meta")
    return sum(parameter.numel() for parameter in clip.parameters())


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
