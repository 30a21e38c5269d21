"""Composing configs and building what they name."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from reward_forcing.composition.explanations import (
    explain_option,
    explain_reference,
    explain_rest,
    explain_syntax,
    explain_unknown,
    explain_yaml,
    rejected_key,
)
from reward_forcing.composition.places import ROOT, own_folders, shipped


class ConfigurationError(ValueError):
    """A config cannot be used; the message names the place, the key, the value and what is allowed."""


def register_resolvers() -> None:
    """Make `${asset:path}` (a shipped file) known to configs."""
    OmegaConf.register_new_resolver("asset", lambda path: str(shipped(path)), replace=True)


def compose(overrides: Sequence[str] = (), *, name: str = "train") -> DictConfig:
    """Compose `configs/NAME.yaml` under overrides; the node `hydra` tells the choices made and the sweep's axes.

    Args:
        overrides: as on a command line, `sink=ema` or `loss.beta=0.5`.
        name: the primary config.

    Raises:
        ConfigurationError: an override cannot be applied.
    """
    register_resolvers()
    overrides = readable(overrides)
    own = own_folders()
    places = [f'"file://{path}"' for path in (ROOT, *own)]
    extra = [f"hydra.searchpath=[{','.join(places)}]"] if own else []
    try:
        with hydra.initialize_config_dir(str(shipped("configs")), version_base="1.3"):
            return hydra.compose(name, [*overrides, *extra], return_hydra_config=True)
    except OverrideParseException as error:
        raise ConfigurationError(explain_syntax(error, overrides)) from error
    except MissingConfigException as error:
        raise ConfigurationError(explain_option(error)) from error
    except MarkedYAMLError as error:
        raise ConfigurationError(explain_yaml(error)) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        key = rejected_key(error)
        if key is None:
            raise ConfigurationError(explain_rest(error)) from error
        others = [
            given for given in overrides if given.split("=")[0].lstrip("+~") != key and not given.startswith("hydra")
        ]
        raise ConfigurationError(explain_unknown(key, compose(others, name=name))) from error


def readable(overrides: Sequence[str]) -> list[str]:
    """Overrides with values quoted that Hydra could not read because they are names or paths.

    >>> readable(["run_dir=runs/a=b", "name=zwölf", "seed=3"])
    ['run_dir="runs/a=b"', 'name="zwölf"', 'seed=3']
    """
    parser, quoted = OverridesParser.create(), []
    for override in overrides:
        key, equals, value = override.partition("=")
        try:
            parser.parse_override(override)
        except HydraException:
            is_name = value[:1] not in (*"'\"[{", "") and ("=" in value or "/" in value or not value.isascii())
            escaped = value.replace('"', '\\"')
            quoted.append(f'{key}{equals}"{escaped}"' if is_name else override)
        else:
            quoted.append(override)
    return quoted


def plain(config: DictConfig | ListConfig) -> Any:
    """A config without hydra's own node, interpolations resolved, as plain dicts and lists.

    Raises:
        ConfigurationError: a value is missing or refers to nothing.
    """
    kept = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])  # type: ignore[arg-type, misc]
    OmegaConf.set_readonly(kept, value=False)
    kept._set_parent(None)
    try:
        for key in sorted(OmegaConf.missing_keys(kept)):
            raise ConfigurationError(f"{key} has no value; give one: {key}=...")
        return OmegaConf.to_container(kept, resolve=True)
    except OmegaConfBaseException as error:
        place = getattr(error, "full_key", None) or "config"
        raise ConfigurationError(f"{place}: {explain_reference(error)}") from error


def build(config: DictConfig, group: str) -> Any:
    """Instantiate a group of a config.

    Raises:
        ConfigurationError: its constructor refuses; with the constructor's own words.
    """
    try:
        return hydra.utils.instantiate(config[group], _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ValueError | TypeError):
            raise ConfigurationError(_located(str(cause), group)) from cause
        raise
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{group}: {explain_reference(error)}") from error


def _located(message: str, group: str) -> str:
    """Constructors say `sink.decay is ...` already; other messages get the group's name in front."""
    named = message.startswith(f"{group}: ") or re.match(r"[a-z_]+(\.[a-z_]+)* is ", message)
    return message if named else f"{group}: {message}"


def sweep(overrides: Sequence[str], axes: Mapping[str, str]) -> list[list[str]]:
    """The overrides of every job of a sweep: all combinations of the values of all keys, the last key fastest.

    Args:
        overrides: as given, for instance `sink=none,ema`.
        axes: sweep axes of an experiment, for instance `{"loss": "dmd,re_dmd"}`; given keys replace them.

    Raises:
        ConfigurationError: an override cannot be read or is no list of values.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(
            [*(f"{key}={value}" for key, value in axes.items()), *readable(overrides)]
        )
    except OverrideParseException as error:
        raise ConfigurationError(explain_syntax(error, overrides)) from error
    choices: dict[str, list[str]] = {}
    for override in parsed:
        key = override.get_key_element()
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise ConfigurationError(
                f"{override.input_line}: an interval cannot be swept; allowed: lists, choice(), range()"
            )
        swept = override.is_sweep_override()
        values = list(override.sweep_string_iterator()) if swept else [override.get_value_element_as_str()]
        choices[key] = [str(override.input_line)] if override.is_delete() else [f"{key}={value}" for value in values]
    return [list(job) for job in itertools.product(*choices.values())]
