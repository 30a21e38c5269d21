"""Networks in files: safetensors with everything needed to build the network again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reward_forcing.networks.wan import WanTransformer

SIZES = "network"
"""Where a file's metadata holds the constructor arguments of the network, as JSON."""


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Write tensors and notes; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside, dict(notes))
    aside.replace(path)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and notes of a file.

    Raises:
        ValueError: there is no such file, or it is not a safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"weights: {path} is not a file; give the path of a .safetensors export")
    try:
        with safe_open(path, "pt") as opened:
            return load_file(path), dict(opened.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"weights: {path} cannot be read as safetensors ({error})") from error


def read_notes(path: str | Path) -> dict[str, str]:
    """What was noted in a file besides its weights.

    Raises:
        ValueError: there is no such file, or it is not a safetensors file.
    """
    return load_tensors(path)[1]


def save(
    path: str | Path, network: WanTransformer, notes: Mapping[str, str] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Export a network with its sizes and any notes, in `dtype` if given."""
    state = {name: tensor.to(dtype or tensor.dtype) for name, tensor in network.state_dict().items()}
    save_tensors(path, state, {**(notes or {}), SIZES: json.dumps(network.sizes)})


def load(path: str | Path, *, checkpointing: bool = False) -> WanTransformer:
    """Build the network a file was exported from, in fp32.

    Raises:
        ValueError: the file is missing, no export of ours, or its weights do not fit its own sizes.
    """
    tensors, notes = load_tensors(path)
    if SIZES not in notes:
        raise ValueError(
            f"weights: {path} has no {SIZES!r} entry in its metadata; it is not an export of this framework"
        )
    network = WanTransformer(**json.loads(notes[SIZES]), checkpointing=checkpointing)
    load_strictly(network, tensors, str(path))
    return network


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load weights that must fit exactly.

    Raises:
        ValueError: names or shapes differ; it names the first of each kind.
    """
    expected = network.state_dict()
    faults = {
        "missing": [name for name in expected if name not in tensors],
        "unexpected": [name for name in tensors if name not in expected],
        "misshaped": [name for name in expected if name in tensors and tensors[name].shape != expected[name].shape],
    }
    if any(faults.values()):
        found = "; ".join(f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names)
        raise ValueError(f"weights: {source} does not fit {type(network).__name__}: {found}")
    network.load_state_dict(dict(tensors))
