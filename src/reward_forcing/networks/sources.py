"""Where weights come from: which kind of file or folder a source is, and its tensors, one at a time.

Kinds: our export, an official Wan folder, a diffusers folder, a pickled container, a checkpoint of ours, a hub id.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from torch import Tensor

from reward_forcing.codecs.files import fingerprint, unpickled

SIZES: Final = "network"
"""Where an export's metadata holds the constructor arguments of the network, as JSON."""

PICKLES: Final = (".pt", ".pth", ".bin", ".ckpt")
CONTAINERS: Final = ("generator_ema", "generator", "model", "state_dict")
"""Keys of pickled containers (Self Forcing, Reward Forcing, CausVid, LongLive), the preferred first."""

ROLES: Final = ("student_ema", "student", "teacher_ema", "teacher", "fake_score")
"""Networks inside a Lightning checkpoint of ours, the preferred first."""

ALLOWED: Final = (
    "an export (.safetensors), an official Wan folder, a diffusers folder, a .pt container, a .ckpt of a run, "
    "or a hub id such as Wan-AI/Wan2.1-T2V-1.3B"
)
CONFIG_KEYS: Final = {
    "in_dim": "channels", "in_channels": "channels", "dim": "dim", "ffn_dim": "ffn_dim", "num_heads": "heads",
    "num_attention_heads": "heads", "num_layers": "layers", "text_dim": "text_dim", "freq_dim": "freq_dim",
}  # fmt: skip
"""Sizes in official and diffusers `config.json`: ours."""


@dataclass(frozen=True)
class Inspection:
    """What a source is, without its tensors.

    Args:
        source: as it was given.
        layout: "ours", "official", "diffusers", "safetensors" or "pickle".
        files: that hold tensors.
        sizes: constructor arguments of the network, as far as a config tells them.
        notes: of an export.
    """

    source: str
    layout: str
    files: tuple[Path, ...]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def digest(self) -> str:
        """A short name for the content of the weights."""
        return fingerprint(self.files)

    def __str__(self) -> str:
        names = {"ours": "an export of ours", "official": "an official Wan folder", "diffusers": "a diffusers folder",
                 "safetensors": "a bare safetensors file", "pickle": "a pickled container"}  # fmt: skip
        return f"{self.source}, taken for {names[self.layout]}"


def inspect(source: str | Path) -> Inspection:
    """Find out what a source is; reads headers only.

    Raises:
        ValueError: there is no such thing, a file of it is missing or cut off, or it is none of what is allowed.
    """
    path = Path(source)
    if not str(source).strip():
        raise ValueError(f"weights: no source is given; allowed: {ALLOWED}")
    if path.is_dir():
        return _folder(str(source), path)
    if path.is_file():
        return _file(str(source), path)
    if re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w./-]+)?", str(source)) and path.suffix != ".safetensors":
        return _folder(str(source), _from_hub(str(source)))
    raise ValueError(f"weights: {source} is not there; allowed: {ALLOWED}")


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: name to dtype, shape and offsets.

    Raises:
        ValueError: the file is cut off or is no safetensors file.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(min(length, size)))
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    except (struct.error, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"weights: {path} cannot be read as safetensors ({error})") from error
    if size != 8 + length + end:
        raise ValueError(f"weights: {path} is cut off: {size} bytes of {8 + length + end}; download it again")
    return header


def tensors(found: Inspection, which: str | None = None) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a source, each mapped from its file as it is asked for.

    Args:
        found: the source.
        which: key of a container or network of a checkpoint; None: the first of those that are usual.

    Raises:
        ValueError: a file is damaged, or has no such key.
    """
    if found.layout == "pickle":
        yield from _unpickled(found.files[0], which).items()
        return
    if which is not None:
        raise ValueError(f"weights: {found}, holds one network, not several of which one is {which!r}")
    for path in found.files:
        try:
            with safe_open(path, "pt") as opened:
                for name in opened.keys():  # noqa: SIM118 (it is no mapping)
                    yield name, opened.get_tensor(name)
        except SafetensorError as error:
            raise ValueError(f"weights: {path} cannot be read as safetensors ({error})") from error


def _file(source: str, path: Path) -> Inspection:
    if path.suffix in PICKLES:
        return Inspection(source, "pickle", (path,))
    if path.suffix != ".safetensors":
        raise ValueError(f"weights: {path} ends in {path.suffix!r}; allowed: {ALLOWED}")
    notes = read_header(path).get("__metadata__", {})
    if SIZES in notes:
        return Inspection(source, "ours", (path,), json.loads(notes[SIZES]), notes)
    return Inspection(source, "safetensors", (path,), {}, notes)


def _folder(source: str, folder: Path) -> Inspection:
    if (folder / "model_index.json").is_file():
        folder = folder / "transformer"
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise ValueError(f"weights: {folder} has no config.json; allowed: {ALLOWED}")
    config = _object(config_path)
    if str(config.get("model_type", "t2v")) != "t2v":
        raise ValueError(f"weights: {folder} is a {config['model_type']} model; allowed: t2v, text to video")
    files = _shards(folder)
    for path in files:
        read_header(path)
    return Inspection(source, _layout_of(config), files, _sizes_of(config))


def _object(path: Path) -> dict[str, Any]:
    """What a JSON file holds. Raises ValueError when it is no object."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"weights: {path} is no JSON ({error})") from error
    if not isinstance(held, dict):
        raise ValueError(f"weights: {path} holds a {type(held).__name__}; allowed: an object")  # noqa: TRY004
    return held


def _layout_of(config: Mapping[str, Any]) -> str:
    return "diffusers" if "_class_name" in config and "num_attention_heads" in config else "official"


def _sizes_of(config: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {ours: config[theirs] for theirs, ours in CONFIG_KEYS.items() if theirs in config}
    if "num_attention_heads" in config and "attention_head_dim" in config:
        sizes["dim"] = config["num_attention_heads"] * config["attention_head_dim"]
    return sizes


def _shards(folder: Path) -> tuple[Path, ...]:
    """All files of a folder that hold tensors, those that an index names if there is one."""
    indices = sorted(folder.glob("*.safetensors.index.json"))
    if indices:
        places = _object(indices[0]).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise ValueError(f"weights: {indices[0]} has no 'weight_map'; download it again")
        listed = sorted({str(name) for name in places.values()})
        if outside := [name for name in listed if Path(name).name != name]:
            raise ValueError(f"weights: {indices[0]} names {outside[0]!r}; allowed: files of its own folder")
        missing = [name for name in listed if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"weights: {folder} lacks {missing[0]}, which {indices[0].name} names; download it again")
        return tuple(folder / name for name in listed)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(f"weights: {folder} has no .safetensors file; allowed: {ALLOWED}")
    return tuple(files)


def _from_hub(source: str) -> Path:
    """The folder of a hub id, from the local cache if it is there, else downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name, _, inside = source.partition(":")
    wanted = [f"{inside}/*" if inside else pattern for pattern in ("*.safetensors", "*.json", "transformer/*")]
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        try:
            folder = Path(snapshot_download(name, allow_patterns=wanted))
        except Exception as error:
            raise ValueError(
                f"weights: {source} is neither a file here nor in the hub's cache, and cannot be downloaded "
                f"({type(error).__name__}); allowed: {ALLOWED}"
            ) from error
    return folder / inside if inside else folder


def _unpickled(path: Path, which: str | None) -> dict[str, Tensor]:
    try:
        held = unpickled(path)
    except ValueError as error:
        raise ValueError(f"weights: {path} cannot be read as a file of tensors ({error})") from error
    if not isinstance(held, Mapping):
        raise ValueError(f"weights: {path} is no mapping of names to tensors but a {type(held).__name__}")  # noqa: TRY004
    if "pytorch-lightning_version" in held:
        return _network_in(held["state_dict"], path, which)
    keys = [key for key in CONTAINERS if isinstance(held.get(key), Mapping)]
    if which is not None and which not in keys:
        raise ValueError(f"weights: {path} has no {which!r}; it has {', '.join(keys) or 'a bare state dict'}")
    chosen = held[which or keys[0]] if keys else held
    return {str(name): value for name, value in chosen.items() if isinstance(value, Tensor)}


def _network_in(state: Mapping[str, Tensor], path: Path, which: str | None) -> dict[str, Tensor]:
    roles = [role for role in ROLES if any(name.startswith(f"{role}.") for name in state)]
    role = which or (roles[0] if roles else "")
    if role not in roles:
        raise ValueError(f"weights: {path} has no network {role!r}; it has {', '.join(roles) or 'none'}")
    return {name.removeprefix(f"{role}."): value for name, value in state.items() if name.startswith(f"{role}.")}
