"""How a training is started: alone, or as one process a device by torchrun."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from reward_forcing.composition.configuration import ConfigurationError


def processes() -> int:
    """How many processes do this run together, as torchrun tells."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that looks after the run's folder."""
    return int(os.environ.get("RANK", "0")) == 0


def require_processes(config: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a run that is to have other processes than there are, before it touches anything.

    Args:
        config: composed.
        overrides: what it was composed from, for the command to give.

    Raises:
        ConfigurationError: there are too few, or too many; with the command.
    """
    devices, nodes = config.trainer.get("devices", 1), int(config.trainer.get("num_nodes", 1))
    if not str(devices).isdecimal() or int(devices) * nodes == processes():
        return
    command = shlex.join([*_launcher(nodes, int(devices)), *overrides])
    raise ConfigurationError(
        f"trainer.devices is {devices} and trainer.num_nodes {nodes}, but the number of processes is {processes()}; "
        f"start one a device: {command}"
    )


def require_common_folder(config: DictConfig) -> None:
    """Refuse a folder named after the time of day, which differs between processes.

    Raises:
        ConfigurationError: there are several processes, and `run_dir` has the time in it.
    """
    written = OmegaConf.to_container(config, resolve=False)
    assert isinstance(written, dict)
    if processes() > 1 and "${now:" in str(written["run_dir"]):
        raise ConfigurationError(f"run_dir is {written['run_dir']}; several processes need a common one: run_dir=...")


def require_alone(config: DictConfig) -> None:
    """Refuse a sweep inside torchrun, and jobs of one that this machine cannot start.

    Args:
        config: of one of its jobs, composed.

    Raises:
        ConfigurationError: there are several processes, devices that nobody counted, or several nodes.
    """
    if processes() > 1:
        raise ConfigurationError(
            f"WORLD_SIZE is {processes()}: a sweep (-m) inside torchrun would be done by every process; allowed: "
            "reward-forcing train -m ... by itself, which starts a torchrun for each job of several devices"
        )
    devices, nodes = config.trainer.get("devices", 1), int(config.trainer.get("num_nodes", 1))
    if not str(devices).isdecimal():
        raise ConfigurationError(f"trainer.devices is {devices}; a sweep (-m) starts its jobs itself: give a number")
    if nodes > 1:
        raise ConfigurationError(
            f"trainer.num_nodes is {nodes}; a job of a sweep (-m) stays on one machine: allowed is 1. For more start "
            "one torchrun per job"
        )


def continuation(overrides: Sequence[str], folder: Path) -> str:
    """The command that continues a run in this folder, started as this process was."""
    kept = [given for given in overrides if given.split("=")[0] not in ("run_dir", "resume")]
    nodes, local = (int(os.environ.get(name, "1")) for name in ("GROUP_WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return shlex.join([*_launcher(nodes, local), *kept, f"run_dir={folder}", "resume=auto"])


def _launcher(nodes: int, local: int) -> list[str]:
    """What starts so many processes on each of so many machines."""
    if nodes * local == 1:
        return ["reward-forcing", "train"]
    machines = ["--nnodes", str(nodes)] if nodes > 1 else []
    return ["torchrun", *machines, "--nproc-per-node", str(local), "-m", "reward_forcing.train"]
