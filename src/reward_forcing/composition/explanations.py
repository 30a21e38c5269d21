"""Saying what is wrong with an override: the key, the value, what is allowed, and what was probably meant."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError

from reward_forcing.composition.places import groups, options, shipped
from reward_forcing.composition.signatures import RESERVED
from reward_forcing.run_folder import flatten

MERGING: Final = "Error merging override "
"""What Hydra says where a list is given for keys, or keys for a list."""


def explain_syntax(error: OverrideParseException, overrides: Sequence[str]) -> str:
    """Which override cannot be read, and how to write it."""
    wrong = error.override or next((given for given in overrides if "=" not in given), "")
    if wrong and "=" not in wrong:
        hint = suggest(wrong, [*groups(), "seed", "run_dir", "resume"])
        return f"{wrong!r} is no override; write key=value, for instance sink=ema or loss.beta=0.5{hint}"
    reason = error.message.splitlines()[0]
    return f"{wrong!r} cannot be read ({reason}); quote values with blanks, commas or brackets: 'key=\"a, b\"'"


def explain_option(error: MissingConfigException) -> str:
    """Which options a group has."""
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    allowed = sorted(error.options or [])
    if not group:
        return str(error).splitlines()[0]
    what = f"{group}={option}: there is no option {option!r}"
    return f"{what}; allowed: {', '.join(allowed)}{suggest(option, allowed)}"


def explain_yaml(error: MarkedYAMLError) -> str:
    """Which file is no YAML, and where."""
    mark = error.problem_mark or error.context_mark
    place = f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{error.problem or error.context}; this cannot be read as YAML"


def rejected_key(error: Exception) -> str | None:
    """The key that Hydra could not override, add or delete; None if it complains about something else."""
    found = re.search(r"Could not (?:override|delete|append)[^']*'([^']+)'", str(error))
    return found[1].split("=")[0] if found and isinstance(error, ConfigCompositionException) else None


def explain_rest(error: Exception) -> str:
    """What is wrong, in one line."""
    text = str(error)
    if "Ambiguous value" in text:
        given = text.split("'")[1]
        return f"{given}: several values need -m (one run for each), or quotes and brackets to be one value"
    if text.startswith(MERGING):
        allowed = "a list, [a, b]" if "object_type=list" in str(error.__cause__) else "keys of its own, {key: value}"
        return f"{text.removeprefix(MERGING).splitlines()[0]}: allowed is {allowed}"
    if "Got NoneType" in text:
        return "null is no option of a group; allowed: one of its options, for instance reward=none"
    return text.splitlines()[0]


def explain_unknown(key: str, config: DictConfig) -> str:
    """What may be given instead of a key, in the config that the other overrides make."""
    if any(character in key for character in "/@"):
        return f"{key}: there is no such group; allowed: {', '.join(groups())}"
    parent, _, last = key.rpartition(".")
    while parent and not isinstance(OmegaConf.select(config, parent), DictConfig):
        parent, _, last = parent.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    keys = [str(name) for name in node if str(name) not in (*RESERVED, "hydra")]
    chosen = config.hydra.runtime.choices.get(parent)
    where = f"{parent}={chosen} has" if chosen else f"{parent} has" if parent else "the config has"
    every = flatten(OmegaConf.to_container(config))  # type: ignore[arg-type]
    hint = suggest(last, keys, prefix=f"{parent}." if parent else "") or owner(parent, last) or suggest(key, every)
    return f"{key}: there is no such key; {where}: {', '.join(keys) or 'none'}{hint}"


def explain_reference(error: Exception) -> str:
    """What a value refers to that is not there, and which options would have it."""
    said = str(error).splitlines()[0]
    missing = re.search(r"Interpolation key '(\w+)\.(\w+)' not found", said)
    return said + owner(*missing.groups()) if missing else said


def owner(group: str, key: str) -> str:
    """Which options of a group do have a key."""
    owners = [option for option in options(group) if key in OmegaConf.load(shipped(f"configs/{group}/{option}.yaml"))]
    return f". {' and '.join(f'{group}={option}' for option in owners)} would have it" if owners else ""


def suggest(word: str, allowed: Iterable[str], prefix: str = "") -> str:
    """`. Did you mean ...?` for the most similar allowed word; nothing if none is."""
    close = difflib.get_close_matches(
        word, [name for name in allowed if name != word and not name.startswith("hydra.")], n=1
    )
    return f". Did you mean {prefix}{close[0]}?" if close else ""
