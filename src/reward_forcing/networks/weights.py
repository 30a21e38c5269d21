"""Networks in files: every usual layout in, ours, the official and diffusers' out.

`load` reads whatever `sources.inspect` knows; tensors are mapped from the files one by one into a network that was
built without memory, so that there is never a second copy. Where the precision changes, each is converted as it is
read, and a file is let go before the next is opened.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from reward_forcing.codecs.files import require_fit
from reward_forcing.networks import sources
from reward_forcing.networks.names import canonical, to_diffusers
from reward_forcing.networks.sources import SIZES, Inspection, inspect
from reward_forcing.networks.wan import WanTransformer

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
PLACES: Final = "place_embedding"
HEAD_DIM: Final = 128
"""Of all Wan models; where neither a config nor an export tells the heads, they follow from it."""

SHARD_BYTES: Final = 5_000_000_000
"""Largest file of a folder that `save` writes."""


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.partial")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside, dict(notes))
    except SafetensorError as error:
        aside.unlink(missing_ok=True)
        raise _as_file_error(error, path) from error
    aside.replace(path)


def _as_file_error(error: SafetensorError, path: Path) -> Exception:
    """What the system said, as Python says it; safetensors tells only its number, in words."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path)) if number else error


def read_notes(path: str | Path) -> dict[str, str]:
    """What was noted in an export besides its weights; nothing in other sources.

    Raises:
        ValueError: there is no such source, or it is damaged.
    """
    return dict(inspect(path).notes)


def load(
    source: str | Path,
    *,
    sizes: Mapping[str, Any] | None = None,
    which: str | None = None,
    dtype: Precision = "float32",
    norm_dtype: Literal["float32"] | None = None,
    checkpointing: bool | float = False,
    compiled: str | None = None,
) -> WanTransformer:
    """Build a network and fill it from a source.

    Under `torch.device("meta")` the source is checked in the same way, and the network stays without memory.

    Args:
        source: an export of ours, an official Wan folder, a diffusers folder, a `.pt` container, a checkpoint of a run,
            or a hub id (`owner/name`, `owner/name:folder`), read from the local cache where it is there.
        sizes: constructor arguments that neither a config nor the tensors tell (`heads`, where a head is not 128 wide).
        which: key of a container ("generator_ema", "generator", "model") or network of a checkpoint ("student_ema",
            ...); None: the first of those that is there.
        dtype: precision of the parameters.
        norm_dtype: see WanTransformer.
        checkpointing: see WanTransformer.
        compiled: see WanTransformer.

    Raises:
        ValueError: there is no such source, it is damaged or of another model, or a value does not fit `dtype`.
    """
    found = inspect(source)
    precision = getattr(torch, dtype)
    outline = {canonical(name): tensor.to("meta") for name, tensor in sources.tensors(found, which)}
    known = _known_sizes(found, outline, sizes or {})
    with torch.device("meta"):
        network = WanTransformer(**known, norm_dtype=norm_dtype, checkpointing=checkpointing, compiled=compiled)
    require_fit(network.state_dict(), outline, f"weights: {found},", type(network).__name__)
    if torch.get_default_device().type == "meta":
        return network.to(precision)
    named = ((canonical(name), tensor) for name, tensor in sources.tensors(found, which))
    load_strictly(
        network, {name: convert(name, tensor, precision) for name, tensor in named}, str(found), dtype=precision
    )
    return network


def _known_sizes(found: Inspection, outline: Mapping[str, Tensor], sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor arguments that tensors, config and caller tell. Errors as of `load`."""
    if image := [name for name in outline if "img" in name]:
        raise ValueError(f"weights: {found}, is an image-to-video model ({image[0]}); allowed: text to video")
    known = {**sizes_of(outline), **found.sizes, **sizes}
    if not {"channels", "dim", "ffn_dim", "heads", "layers", "text_dim"} <= set(known):
        first = next(iter(outline), "-")
        raise ValueError(f"weights: {found}, has no tensors of a Wan transformer; its first is {first}")
    return known


def sizes_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The constructor arguments that tensors under official names tell; none if they are something else's."""
    try:
        patches, layers = tensors["patch_embedding.weight"].shape, [n for n in tensors if n.startswith("blocks.")]
        places = tensors.get(PLACES)
        return {
            "channels": patches[1],
            "dim": patches[0],
            "ffn_dim": tensors["blocks.0.ffn.0.weight"].shape[0],
            "heads": max(1, patches[0] // HEAD_DIM),
            "layers": 1 + max(int(name.split(".")[1]) for name in layers),
            "text_dim": tensors["text_embedding.0.weight"].shape[1],
            "patch": patches[-1],
            "freq_dim": tensors["time_embedding.0.weight"].shape[1],
            "places": 0 if places is None else len(places),
        }
    except (KeyError, IndexError):
        return {}


def load_strictly(
    network: nn.Module, tensors: Mapping[str, Tensor], source: str, *, dtype: torch.dtype | None = None
) -> None:
    """Put tensors in the place of a network's parameters, which may be without memory; they must fit exactly.

    Args:
        network: to be filled.
        tensors: by name; not copied unless `dtype` is another.
        source: for messages.
        dtype: precision to convert to; None: that of the network.

    Raises:
        ValueError: names or shapes differ (it names the first of each kind), or a value overflows.
    """
    expected = network.state_dict()
    require_fit(expected, tensors, f"weights: {source},", type(network).__name__)
    converted = {name: convert(name, tensors[name], dtype or expected[name].dtype) for name in expected}
    network.load_state_dict(converted, assign=True)


def convert(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor in another precision.

    Raises:
        ValueError: a finite value of it would become infinite.
    """
    converted = tensor.to(dtype)
    if dtype == torch.float16 and tensor.dtype != dtype and _overflows(tensor, converted):
        largest = float(tensor.abs().max())
        raise ValueError(f"weights: {name} reaches {largest:.3g}, beyond float16 (65504); allowed: bfloat16, float32")
    return converted


def _overflows(tensor: Tensor, converted: Tensor) -> bool:
    """Whether a finite value has become infinite; mostly the extremes tell, and no mask of the tensor is made."""
    finite = all(bool(value.isfinite()) for value in converted.aminmax())
    return not finite and bool((tensor.isfinite() & ~converted.isfinite()).any())


def save(
    path: str | Path,
    network: WanTransformer,
    notes: Mapping[str, str] | None = None,
    dtype: torch.dtype | None = None,
    *,
    layout: Literal["ours", "official", "diffusers"] = "ours",
) -> None:
    """Write a network: one file with its sizes and any notes ("ours"), or a folder that Wan's code or diffusers read.

    Args:
        path: the file, or the folder.
        network: to be written.
        notes: for a file of ours.
        dtype: precision in the file; None: the network's.
        layout: which.

    Raises:
        OSError: the place cannot be written to.
        ValueError: the network has what other layouts cannot hold (`places`), or a value overflows `dtype`.
    """
    state = {name: convert(name, tensor, dtype or tensor.dtype) for name, tensor in network.state_dict().items()}
    if layout == "ours":
        save_tensors(path, state, {**(notes or {}), SIZES: json.dumps(network.sizes)})
        return
    if PLACES in state:
        raise ValueError(f"weights: the network has a {PLACES}, which the layout {layout!r} has not; allowed: 'ours'")
    rename = to_diffusers if layout == "diffusers" else str
    config = diffusers_config(network) if layout == "diffusers" else official_config(network)
    _save_folder(Path(path), {rename(name): tensor for name, tensor in state.items()}, config)


def official_config(network: WanTransformer) -> dict[str, Any]:
    """What Wan's own code reads from `config.json`."""
    sizes = network.sizes
    return {
        "_class_name": "WanModel",
        "model_type": "t2v",
        "text_len": 512,
        "in_dim": sizes["channels"],
        "out_dim": sizes["channels"],
        "dim": sizes["dim"],
        "ffn_dim": sizes["ffn_dim"],
        "freq_dim": sizes["freq_dim"],
        "text_dim": sizes["text_dim"],
        "num_heads": sizes["heads"],
        "num_layers": sizes["layers"],
        "eps": 1e-6,
    }


def diffusers_config(network: WanTransformer) -> dict[str, Any]:
    """What diffusers' WanTransformer3DModel reads from `config.json`."""
    sizes = network.sizes
    return {
        "_class_name": "WanTransformer3DModel",
        "patch_size": [1, sizes["patch"], sizes["patch"]],
        "num_attention_heads": sizes["heads"],
        "attention_head_dim": sizes["dim"] // sizes["heads"],
        "in_channels": sizes["channels"],
        "out_channels": sizes["channels"],
        "text_dim": sizes["text_dim"],
        "freq_dim": sizes["freq_dim"],
        "ffn_dim": sizes["ffn_dim"],
        "num_layers": sizes["layers"],
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
    }


def _save_folder(folder: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write tensors in files of bounded size, with an index if there are several, the config last."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, parts = "diffusion_pytorch_model", list(_parts(state.items()))
    names = [f"{stem}-{n:05d}-of-{len(parts):05d}.safetensors" for n in range(1, len(parts) + 1)]
    names = [f"{stem}.safetensors"] if len(parts) == 1 else names
    for name, part in zip(names, parts, strict=True):
        save_tensors(folder / name, part, {"format": "pt"})
    if len(parts) > 1:
        places = {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}
        index = {"metadata": {"total_size": sum(t.nbytes for t in state.values())}, "weight_map": places}
        (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def _parts(items: Iterable[tuple[str, Tensor]]) -> Iterable[dict[str, Tensor]]:
    part: dict[str, Tensor] = {}
    for name, tensor in items:
        if part and sum(t.nbytes for t in part.values()) + tensor.nbytes > SHARD_BYTES:
            yield part
            part = {}
        part[name] = tensor
    yield part
