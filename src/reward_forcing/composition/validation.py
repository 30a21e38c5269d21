"""Checking a config before torch, data or weights are touched."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from reward_forcing.composition.configuration import ConfigurationError, build, plain
from reward_forcing.composition.explanations import suggest
from reward_forcing.composition.fitting import misfits
from reward_forcing.composition.places import groups, shipped
from reward_forcing.composition.ranges import out_of_range
from reward_forcing.composition.signatures import RESERVED, accepts, signature_of
from reward_forcing.run_folder import flatten

CHEAP: Final = ("settings", "geometry", "sink", "memory", "loss", "rollout", "world")
"""Groups of small values: built before anything large, since their constructors know what fits together.

One that loads something (a loss with a reward of its own) waits until all is built.
"""


def validate(config: DictConfig) -> None:
    """Check every key and value against the constructors they are for, and small values against each other.

    Raises:
        ConfigurationError: the first thing that is wrong.
    """
    config = copy.deepcopy(config)  # building resolves references in place
    values = plain(config)
    known = {*groups(), *OmegaConf.load(shipped("configs/train.yaml"))} - {"defaults", "hydra"}
    for key in values:
        if key not in known:
            raise ConfigurationError(f"{key}: there is no such key{suggest(str(key), map(str, known))}")
    check_values(config, values)
    built = {group: build(config, group) for group in CHEAP if not _loads(values[group])}
    if fault := misfits(values, built.get("loss")):
        raise ConfigurationError(fault)


def check_values(config: DictConfig, values: Mapping[str, Any]) -> None:
    """Check keys, types and ranges of a config of any kind; nothing is imported.

    Args:
        config: composed.
        values: the same, plain.

    Raises:
        ConfigurationError: the first that is wrong, told about the place where it was written.
    """
    try:
        check_constructors(values)
        check_ranges({key: value for key, value in values.items() if key != "study"})  # its keys are names of cells
    except MisplacedError as error:
        raise ConfigurationError(error.at(origin(config, error.place))) from error


def _loads(node: Any) -> bool:
    """Whether building a node reads weights: what it or a node in it names is called `load...`."""
    leaves = flatten(node).items() if isinstance(node, Mapping) else ()
    return any(key.endswith("_target_") and ".load" in str(value) for key, value in leaves)


def check_ranges(values: Any) -> None:
    """Check plain values against what their keys allow. Raises MisplacedError for the first that is not allowed."""
    for place, fault in out_of_range(values):
        raise MisplacedError(place, fault)


def check_constructors(values: Any, place: str = "") -> None:
    """Check keys and types of all nodes with a `_target_` against the source of what they name.

    Raises:
        MisplacedError: a target does not exist, a key is unknown or missing, or a value has the wrong type.
    """
    if isinstance(values, Mapping):
        if "_target_" in values:
            _check_node(values, place)
        for key, value in values.items():
            check_constructors(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            check_constructors(value, f"{place}[{index}]")


def _check_node(node: Mapping[str, Any], place: str) -> None:
    target = str(node["_target_"])
    try:
        signature = signature_of(target)
    except ValueError as error:
        raise MisplacedError(f"{place}._target_", f" is {target!r}; {error}") from error
    if signature is None:
        return
    for key, value in node.items():
        if key in RESERVED:
            continue
        parameter = signature.parameters.get(key)
        if parameter is None and not signature.open:
            allowed = ", ".join(signature.parameters) or "no keys at all"
            hint = suggest(key, signature.parameters)
            raise MisplacedError(f"{place}.{key}", f": {signature.name} has no such key; allowed: {allowed}{hint}")
        if parameter and not accepts(parameter.annotation, value):
            raise MisplacedError(f"{place}.{key}", f" is {value!r}; allowed for {signature.name}: {parameter}")
    missing = [key for key, parameter in signature.parameters.items() if parameter.required and key not in node]
    if missing and not node.get("_partial_") and "_args_" not in node:
        raise MisplacedError(
            f"{place}.{missing[0]}", f" is missing; {signature.name} needs it ({signature.parameters[missing[0]]})"
        )


class MisplacedError(ConfigurationError):
    """What is wrong with a place in a config; `at` tells it about the place that was written."""

    def __init__(self, place: str, fault: str) -> None:
        super().__init__(f"{place}{fault}")
        self.place, self.fault = place, fault

    def at(self, place: str) -> str:
        """The message, for the place that the value was taken from."""
        return f"{place}{self.fault}"


def origin(config: DictConfig, place: str) -> str:
    """Where the value at a place was written, if it was taken from elsewhere (`${...}`)."""
    written = flatten(OmegaConf.to_container(config, resolve=False))  # type: ignore[arg-type]
    parts = place.split(".")
    for length in range(len(parts), 0, -1):
        taken = re.fullmatch(r"\$\{([\w.]+)\}", str(written.get(".".join(parts[:length]))))
        if taken:
            return origin(config, ".".join([taken[1], *parts[length:]]))
    return place


def require_files(config: DictConfig) -> None:
    """Check that the device is there, and that all weights a run is to load exist, are whole and fit its geometry.

    Raises:
        ConfigurationError: some do not.
    """
    values = plain(config)
    _require_device(str(values["trainer"].get("accelerator", "auto")))
    for place, node in _loaders({key: values[key] for key in ("module", "data", "callbacks")}):
        key = "source" if "source" in node else "path"
        source, written = str(node[key]), origin(config, f"{place}.{key}")
        try:
            sizes = _sizes_at(source, network=key == "source")
        except ValueError as error:
            raise ConfigurationError(f"{written} is {source!r}; {error}") from error
        for name in {"channels", "patch"} & {*sizes}:
            if sizes[name] != values["geometry"][name]:
                given = values["geometry"][name]
                raise ConfigurationError(
                    f"geometry.{name} is {given}; {written} ({source}) was trained with {sizes[name]}"
                )


def _require_device(accelerator: str) -> None:
    if accelerator in ("gpu", "cuda"):
        from reward_forcing.machine import device_named

        try:
            device_named("cuda")
        except ValueError as error:
            raise ConfigurationError(f"trainer.accelerator is {accelerator!r}; {error}") from error


def _loaders(values: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All nodes that load a network or a toy codec."""
    if isinstance(values, Mapping):
        if str(values.get("_target_", "")).endswith(("weights.load", "lora.load_adapted", ".load_codec")):
            yield place, values
        for key, value in values.items():
            yield from _loaders(value, f"{place}.{key}" if place else str(key))


def _sizes_at(source: str, *, network: bool) -> Mapping[str, Any]:
    """The sizes that weights were made with, as far as headers tell them. Raises ValueError when there are none."""
    if source.endswith(".safetensors") and not Path(source).is_file():
        raise ValueError(
            "there is no such file. Allowed: what `reward-forcing train` exports "
            "(for the toy world: experiments=toy_codec, toy_teacher, toy_init, or checkpoints=shipped)"
        )
    if network:
        from reward_forcing.networks.sources import inspect

        return inspect(source).sizes
    return export_sizes(Path(source))


def export_sizes(path: Path) -> dict[str, Any]:
    """The constructor arguments noted in an export of a codec, read from the file's head; none in something else."""
    with path.open("rb") as file:
        try:
            notes = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
            sizes: dict[str, Any] = json.loads(notes.get("codec") or "{}")
        except (KeyError, ValueError, OverflowError, MemoryError):
            return {}
    return sizes
