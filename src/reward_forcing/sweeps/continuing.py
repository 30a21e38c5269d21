"""Whether a run may go on as it is asked to: what must not have changed since it began, and what is told if it has."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf

from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.run_folder import RunFolder, flatten
from reward_forcing.sweeps.identity import config_hash
from reward_forcing.sweeps.sharing import identity_of

ROUNDED: Final = ("trainer.devices", "trainer.num_nodes", "trainer.strategy")
"""Keys that a continued run may change though its sums change with them, in their last bits: on what it runs."""

FREE_TO_CHANGE: Final = (
    *("run_dir", "resume", "settings", "streaming", "sweep", "study", "hardware", "callbacks", "logger"),
    *("data.workers", "trainer.max_steps", "trainer.default_root_dir", "trainer.enable_progress_bar"),
    *ROUNDED,
)
"""Keys that a continued run may change: where it is written and shown, how long it goes on, who does it."""


def require_same_run(checkpoint: Path, values: Mapping[str, Any]) -> None:
    """Refuse to continue a run under another config.

    Args:
        checkpoint: in a run's folder.
        values: the config to go on with, resolved.

    Raises:
        ConfigurationError: they differ; with the differences.
    """
    folder = RunFolder(checkpoint.absolute().parents[1])
    if not folder.config.is_file() or identity_of(folder) == config_hash(values):  # the same files may lie elsewhere
        return
    if different := changes(_written(folder), values):
        listed = "\n  ".join(different)
        raise ConfigurationError(
            f"resume: the config is not the one of {folder.config}:\n  {listed}\n"
            "allowed: the same values, or a new run_dir=... with resume=never"
        )


def require_readable(checkpoint: Path, values: Mapping[str, Any]) -> None:
    """Refuse a checkpoint in parts where networks are whole, the reverse, and one that is none or holds code.

    Raises:
        ValueError: it is one of these.
    """
    from reward_forcing.modules.sharded_checkpoints import require_plain

    strategy = values["trainer"].get("strategy")
    splits = isinstance(strategy, Mapping) and "sharding" in str(strategy.get("_target_"))
    if checkpoint.is_dir() and not splits:
        raise ConfigurationError(
            f"resume: {checkpoint} is in parts, and trainer keeps networks whole; allowed: trainer=sharded or "
            "trainer=hybrid, on any number of processes (on one: trainer.devices=1 trainer.num_nodes=1)"
        )
    if splits and not checkpoint.is_dir():
        raise ConfigurationError(
            f"resume: {checkpoint} is one whole file, and trainer splits networks; allowed: trainer=default, "
            "trainer=bf16 or trainer=ddp"
        )
    require_plain(checkpoint)


def tell_what_differs(checkpoint: Path, values: Mapping[str, Any]) -> None:
    """Warn where a run goes on with other code or on other processes, so that it is not the same to the last bit."""
    from reward_forcing.sweeps.record import code

    folder = RunFolder(checkpoint.absolute().parents[1])
    versions = folder.noted(folder.progress).get("versions", {})
    before = {**versions, **_chosen(_written(folder) if folder.config.is_file() else values)}
    now = {**{name: version for name, version in code().items() if name in versions}, **_chosen(values)}
    if different := _differences(before, now):
        listed = "\n  ".join(different)
        logging.getLogger(__name__).warning(
            f"{folder.path} goes on with other code or processes than before:\n  {listed}\n"
            "What comes out is not what an uninterrupted run gives, bit for bit"
        )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the configs of a run and of its continuation, one line a key, apart from what is free to.

    Micro-batches count on all processes together, as the randomness of a step does: four on one are two on each of two.
    """
    kept = [
        {key: value for key, value in _counted(values).items() if not _is_any(key, FREE_TO_CHANGE)}
        for values in (before, after)
    ]
    return _differences(*kept)


def _counted(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config by key, its micro-batches on all processes together."""
    flat = flatten(values)
    devices, nodes = str(flat.get("trainer.devices", 1)), int(flat.get("trainer.num_nodes", 1))
    processes = (int(devices) if devices.isdecimal() else 1) * nodes
    counts = {key: value for key, value in flat.items() if key.endswith(".micro_batches")}
    others = {key: value for key, value in flat.items() if key not in counts}
    return others | {f"{key} (on all processes)": value * processes for key, value in counts.items()}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}"
        for key in {**old, **new}
        if old.get(key, "absent") != new.get(key, "absent")
    ]


def _chosen(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a config that change rounding only."""
    return {key: value for key, value in flatten(values).items() if _is_any(key, ROUNDED)}


def _is_any(key: str, free: tuple[str, ...]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in free)


def _written(folder: RunFolder) -> dict[str, Any]:
    """The config that a run noted."""
    values = OmegaConf.to_container(OmegaConf.load(folder.config))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
