"""What an export notes about its streaming: options to choose and plain values, never code."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reward_forcing.composition import configuration, places, validation


def config_of(noted: Mapping[str, Any], path: str, *, sink: str | None, overrides: Sequence[str]) -> Any:
    """The config `stream` with the noted options and values, and overrides.

    Args:
        noted: options under `choices`, plain values under `values`.
        path: of the export, for messages.
        sink: another option than the noted one.
        overrides: of the config; they come before noted values.

    Raises:
        ValueError: what is noted is not installed, or an override does not fit.
    """
    choices = {**noted["choices"], **({"sink": sink} if sink else {})}
    strange = [name for name in choices.values() if not re.fullmatch(r"\w+", str(name))]
    if strange:
        raise ValueError(f"{path}: the note 'stream' chooses {strange[0]!r}; allowed: names of config options")
    chosen = [f"{group}={option}" for group, option in choices.items()]
    config = configuration.compose([*chosen, *overrides], name="stream")
    given = {override.split("=")[0].lstrip("+") for override in overrides}
    for group, values in noted["values"].items():
        same = config.hydra.runtime.choices.get(group) == noted["choices"].get(group)
        for key, value in values.items() if same else ():
            if f"{group}.{key}" not in given:
                _fill_in(config, f"{group}.{key}", value, path)
    validation.check_values(config, configuration.plain(config))
    return config


def _fill_in(config: Any, key: str, value: Any, path: str) -> None:
    """Set a plain value of a key that exists: a file may choose among what is installed, and nothing more."""
    group, _, name = key.partition(".")
    flat = value if isinstance(value, list) else [value]
    if name not in config[group] or name.startswith("_") or not all(map(_is_plain, flat)):
        raise ValueError(f"{path}: the note 'stream' sets {key} to {value!r}; allowed: plain values of known keys")
    config[group][name] = value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)


def codec_file(export: Path, given: str | Path | None, noted: str) -> Path:
    """The codec to use: the one given, the one beside the export, the one noted, the shipped one of that name.

    Raises:
        ValueError: there is none.
    """
    candidates = [Path(given)] if given else [export.parent / "codec.safetensors", Path(noted), places.shipped(noted)]
    for path in candidates:
        if path.is_file():
            return path
    tried = ", ".join(str(path) for path in candidates)
    raise ValueError(f"codec: there is none at {tried}; give the file it was trained with: --codec PATH")
