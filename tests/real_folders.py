"""Files with the names, shapes and sizes of the published networks, and holes where their numbers would be."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from reward_forcing.networks.sources import SIZES
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import official_config

SHARD_BYTES = 2_000_000_000
DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}


def network(**sizes: Any) -> WanTransformer:
    """A network of these sizes without memory."""
    with torch.device("meta"):
        return WanTransformer(**sizes)


def write_hollow(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None) -> None:
    """A safetensors file that is whole by its header and its length, and takes no room."""
    header: dict[str, Any] = {"__metadata__": dict(notes or {})}
    end = 0
    for name, tensor in tensors.items():
        place = [end, end := end + tensor.nbytes]
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(said)) + said)
        file.truncate(8 + len(said) + end)


def write_official(folder: Path, **sizes: Any) -> Path:
    """An official folder in several files with an index."""
    folder.mkdir(parents=True)
    hollow, parts = network(**sizes), [dict[str, Tensor]()]
    for name, tensor in hollow.state_dict().items():
        if sum(held.nbytes for held in parts[-1].values()) + tensor.nbytes > SHARD_BYTES:
            parts.append({})
        parts[-1][name] = tensor
    places = {}
    for number, part in enumerate(parts, start=1):
        name = f"diffusion_pytorch_model-{number:05d}-of-{len(parts):05d}.safetensors"
        write_hollow(folder / name, part)
        places.update(dict.fromkeys(part, name))
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps(official_config(hollow)))
    return folder


def write_export(path: Path, **sizes: Any) -> Path:
    """An export of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hollow = network(**sizes)
    write_hollow(path, hollow.state_dict(), {SIZES: json.dumps(hollow.sizes)})
    return path


def write_container(path: Path, **sizes: Any) -> Path:
    """A pickled container, as the released starts of students are."""
    shapes = {name: tensor.shape for name, tensor in network(**sizes).state_dict().items()}
    with FakeTensorMode(), torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save({"generator": {name: torch.empty(shape) for name, shape in shapes.items()}}, path)
    return path
