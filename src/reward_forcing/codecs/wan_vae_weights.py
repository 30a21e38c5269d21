"""Wan2.1's autoencoder in files: the official `Wan2.1_VAE.pth` and diffusers' folder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import nn

from reward_forcing.codecs.files import first_line, read_tensors, require_fit, require_none
from reward_forcing.codecs.wan_vae import WanCodec

RESIDUAL: Final = {
    "residual.0.gamma": "norm1.gamma",
    "residual.2": "conv1",
    "residual.3.gamma": "norm2.gamma",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}
"""Inside a residual block, official: diffusers."""

AROUND: Final = {
    "conv1": "conv_in",
    "head.0.gamma": "norm_out.gamma",
    "head.2": "conv_out",
    "middle.0": "mid_block.resnets.0",
    "middle.1": "mid_block.attentions.0",
    "middle.2": "mid_block.resnets.1",
}
"""Inside the encoder or decoder."""

TOP: Final = {"conv1": "quant_conv", "conv2": "post_quant_conv"}
PER_LEVEL: Final = 4
"""Modules of a level of the official decoder: three residual blocks and what enlarges."""


def to_diffusers(name: str) -> str:
    """Diffusers' name of an official parameter.

    >>> to_diffusers("decoder.upsamples.7.time_conv.weight")
    'decoder.up_blocks.1.upsamplers.0.time_conv.weight'
    >>> to_diffusers("encoder.middle.2.residual.6.bias")
    'encoder.mid_block.resnets.1.conv2.bias'
    """
    part, _, inner = name.partition(".")
    if part in TOP:
        return f"{TOP[part]}.{inner}"
    for official, theirs in {**AROUND, **RESIDUAL}.items():
        inner = re.sub(rf"(^|\.){re.escape(official)}(\.|$)", rf"\g<1>{theirs}\g<2>", inner, count=1)
    inner = re.sub(r"^downsamples\.", "down_blocks.", inner)
    return f"{part}.{re.sub(r'^upsamples[.]([0-9]+)', _level, inner)}"


def _level(found: re.Match[str]) -> str:
    level, place = divmod(int(found[1]), PER_LEVEL)
    last = place == PER_LEVEL - 1
    return f"up_blocks.{level}.{'upsamplers.0' if last else f'resnets.{place}'}"


def load_wan_codec(
    path: str | Path,
    *,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    sizes: Mapping[str, Any] | None = None,
) -> WanCodec:
    """The codec in `Wan2.1_VAE.pth`, a `.safetensors` file of either naming, or a diffusers folder (or its `vae/`).

    Args:
        path: of the file or folder.
        dtype: precision it computes in; pixels and latents are fp32 in any case.
        sizes: of an AutoencoderKLWan, where they are not Wan2.1's.

    Raises:
        ValueError: there is no such thing, or it is not this autoencoder.
    """
    path = Path(path)
    if path.is_dir():
        vae = _from_folder(path / "vae" if (path / "vae").is_dir() else path)
    elif path.is_file():
        vae = _from_file(path, dict(sizes or {}))
    else:
        raise ValueError(f"codec: {path} is not there; allowed: Wan2.1_VAE.pth or a diffusers folder with vae/")
    nn.Module.to(vae, getattr(torch, dtype))  # diffusers' own warns of layers to be kept in fp32, and there are none
    return WanCodec(vae.requires_grad_(requires_grad=False).eval())


def _from_folder(folder: Path) -> Any:
    from diffusers import AutoencoderKLWan

    if not (folder / "config.json").is_file():
        raise ValueError(f"codec: {folder} has no config.json; allowed: Wan2.1_VAE.pth or a diffusers folder")
    try:
        vae, found = AutoencoderKLWan.from_pretrained(str(folder), local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"codec: {folder} cannot be read as AutoencoderKLWan ({first_line(error)})") from error
    faults = {kind: sorted(found[f"{kind}_keys"]) for kind in ("missing", "unexpected")}
    require_none(faults, f"codec: {folder}", "AutoencoderKLWan")
    return vae


def _from_file(path: Path, sizes: dict[str, Any]) -> Any:
    from diffusers import AutoencoderKLWan

    given = read_tensors(path)
    official = "conv2.weight" in given
    state = {to_diffusers(name) if official else name: tensor for name, tensor in given.items()}
    known = {"encoder.conv_in.weight": "base_dim", "post_quant_conv.weight": "z_dim"}
    read = {key: len(state[name]) for name, key in known.items() if name in state}
    with torch.device("meta"):
        vae = AutoencoderKLWan(**{**read, **sizes})
    require_fit(vae.state_dict(), state, f"codec: {path}", "AutoencoderKLWan")
    vae.load_state_dict(state, assign=True)
    return vae
