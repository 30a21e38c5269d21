"""Training: compose a config, check it, build what it names, run it, export what came out."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reward_forcing.composition import configuration, validation
from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.exports import export, judge_of, notes_of, sink_of
from reward_forcing.launching import (
    continuation,
    is_first,
    require_common_folder,
    require_one_device,
    require_processes,
)
from reward_forcing.run_folder import RunFolder, RunSettings, changes, checkpoint_at

TRACEBACK_HINT = "(HYDRA_FULL_ERROR=1 shows where this was found.)\n"


@dataclass(frozen=True)
class Job:
    """One run to do.

    Args:
        config: composed, checked.
        overrides: what it was composed from.
        label: what distinguishes it in a sweep.
    """

    config: DictConfig
    overrides: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        folder: where it wrote.
        steps: optimiser steps done, those before a continuation included.
        state: "finished", "stopped" or "finished before".
        seconds: how long it took this time.
        scalars: the last value of everything that was reported.
    """

    folder: Path
    steps: int
    state: str
    seconds: float = 0.0
    scalars: Mapping[str, float] = field(default_factory=dict)


def plan(overrides: Sequence[str], *, multirun: bool = False, folders: Sequence[str] = ()) -> list[Job]:
    """The runs that overrides ask for, composed and checked.

    Args:
        overrides: in Hydra's grammar.
        multirun: whether lists of values mean one run for each; an experiment with sweep axes can also say so itself.
        folders: more folders with config groups in them.

    Raises:
        ConfigurationError: something is wrong with one of them; nothing has been touched yet.
    """
    fixed = [job[0] for job in [configuration.sweep([given], {})[0] for given in overrides]] if multirun else overrides
    base = configuration.compose(fixed, folders=folders)
    require_common_folder(base)
    if not multirun and str(base.hydra.mode) != "RunMode.MULTIRUN":
        validation.validate(base)
        return [Job(base, tuple(overrides))]
    folder = str(configuration.plain(base)["run_dir"])
    axes = {key: str(values) for key, values in (base.hydra.sweeper.params or {}).items()}
    combinations = configuration.sweep(overrides, axes)
    swept = [column for column in range(len(combinations[0])) if len({job[column] for job in combinations}) > 1]
    jobs = []
    for combination in combinations:
        label = ",".join(combination[column] for column in swept)
        config = configuration.compose(combination, folders=folders)
        config.run_dir = str(Path(folder) / label.replace("/", "_")[:200])
        require_one_device(config)
        validation.validate(config)
        jobs.append(Job(config, tuple(combination), label))
    return jobs


def run(config: DictConfig) -> Outcome:
    """Do one run, or continue it.

    Raises:
        ValueError: the run's folder is in use, its config has changed, or a constructor refuses a value.
    """
    validation.require_files(config)
    values = configuration.plain(config)
    settings: RunSettings = configuration.build(config, "settings")
    folder = RunFolder(Path(settings.run_dir))
    checkpoint = _checkpoint(folder, settings.resume)
    if checkpoint and is_first():
        _require_unchanged(checkpoint, values)
    if settings.resume == "auto" and folder.finished_steps >= settings.max_steps:
        before = json.loads(folder.summary.read_text(encoding="utf-8"))
        return Outcome(folder.path, before["steps"], "finished before", before["seconds"], before["scalars"])
    return _fit(config, values, folder, checkpoint)


def _checkpoint(folder: RunFolder, resume: str) -> Path | None:
    """Where to continue from; only the first process can tell whether the folder was in use before."""
    if is_first() or resume == "auto":
        return folder.checkpoint(resume)
    return None if resume == "never" else checkpoint_at(Path(resume))


def _require_unchanged(checkpoint: Path, values: Mapping[str, Any]) -> None:
    """Refuse to continue a run under another config."""
    before = RunFolder(checkpoint.parents[1]).config
    if not before.is_file():
        return
    old = OmegaConf.to_container(OmegaConf.load(before))
    assert isinstance(old, dict)
    if different := changes({str(key): value for key, value in old.items()}, values):
        listed = "\n  ".join(different)
        raise ConfigurationError(
            f"resume: the config is not the one of {before}:\n  {listed}\n"
            "allowed: the same values, or a new run_dir=... with resume=never"
        )


def _fit(config: DictConfig, values: dict[str, Any], folder: RunFolder, checkpoint: Path | None) -> Outcome:
    """Build everything, train, export."""
    from lightning import Trainer, seed_everything

    from reward_forcing.callbacks.latest_outputs import LatestOutputs

    _quieten()
    seed_everything(values["seed"], verbose=False)
    latest = LatestOutputs()
    callbacks = [configuration.build(config.callbacks, name) for name, node in config.callbacks.items() if node]
    loggers = [configuration.build(config.logger, name) for name, node in config.logger.items() if node]
    make_trainer = configuration.build(config, "trainer")
    trainer: Trainer = make_trainer(logger=loggers, callbacks=[*callbacks, latest])
    data, module = configuration.build(config, "data"), configuration.build(config, "module")
    if trainer.is_global_zero:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.config.write_text(OmegaConf.to_yaml(OmegaConf.create(values)), encoding="utf-8")
    started = time.perf_counter()
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    seconds = round(time.perf_counter() - started, 1)
    done = Outcome(folder.path, trainer.global_step, "stopped", seconds, latest.scalars)
    if trainer.global_step < values["trainer"]["max_steps"]:
        return done
    done = replace(done, state="finished")
    networks = module.exports()  # every process takes part, where networks are sharded
    if trainer.is_global_zero:
        export(networks, folder, notes_of(config, values, reward=judge_of(module), sink=sink_of(module)))
        summary = {"name": values["name"], "steps": done.steps, "seconds": seconds, "scalars": dict(done.scalars)}
        folder.summary.write_text(json.dumps(summary, indent=2), encoding="utf-8")
    return done


def _quieten() -> None:
    """Silence what Lightning says about things that are as they should be here."""
    import logging
    import warnings

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        "does not have many workers",
        "Checkpoint directory|LeafSpec|IterableDataset",
        "isinstance\\(treespec",
    ):
        warnings.filterwarnings("ignore", f".*({message}).*")


def main(arguments: Sequence[str]) -> int:
    """`reward-forcing train`: returns the exit status, 0: done, 2: refused, 130: stopped on request."""
    from reward_forcing.training_help import help_text

    parser = argparse.ArgumentParser("reward-forcing train", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--cfg", choices=["job"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--config-dir", action="append", default=[])
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_intermixed_args(arguments)
    if given.help:
        return _say(help_text())
    try:
        jobs = plan(given.overrides, multirun=given.multirun, folders=given.config_dir)
        if given.cfg:
            return _say("\n".join(_shown(job, resolve=given.resolve) for job in jobs))
        if given.plan:
            from reward_forcing.plan.report import described

            return _say("\n\n".join(described(configuration.plain(job.config)) for job in jobs))
        _require_possible(jobs)
        return _report(_run_all(jobs))
    except ValueError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write(f"reward-forcing train: {error}\n{TRACEBACK_HINT}")
        return 2


def _require_possible(jobs: Sequence[Job]) -> None:
    """Refuse jobs whose processes or files are missing or whose plan cannot fit; show the plans of large ones."""
    for job in jobs:
        require_processes(job.config, job.overrides)
        validation.require_files(job.config)
    from reward_forcing.plan.report import require_fit

    plans = [require_fit(configuration.plain(job.config)) for job in jobs]
    if is_first() and any(plans):
        _say("\n".join(filter(None, plans)))


def _run_all(jobs: Sequence[Job]) -> list[tuple[Job, Outcome]]:
    """Run job after job, until one is stopped."""
    done: list[tuple[Job, Outcome]] = []
    for job in jobs:
        done.append((job, run(job.config)))
        if done[-1][1].state == "stopped":
            break
    return done


def _shown(job: Job, *, resolve: bool) -> str:
    kept = {key: job.config._get_node(key) for key in job.config if key != "hydra"}
    shown = OmegaConf.create(configuration.plain(job.config)) if resolve else OmegaConf.create(kept)
    return f"# {job.label}\n{OmegaConf.to_yaml(shown)}" if job.label else OmegaConf.to_yaml(shown)


def _say(text: str) -> int:
    sys.stdout.write(f"{text.rstrip()}\n")
    return 0


def _report(done: Sequence[tuple[Job, Outcome]]) -> int:
    """Tell what became of the runs; the exit status."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table

    if not is_first():
        return 0
    names = _columns([outcome for _, outcome in done])
    headers = ("run", "state", "steps", "seconds", *(re.sub("[/_]", "\n", name) for name in names))
    table = Table(*(Column(header, no_wrap=True) for header in headers), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for job, outcome in done:
        scalars = [f"{outcome.scalars[name]:.3g}" if name in outcome.scalars else "" for name in names]
        label = (job.label or str(outcome.folder)).replace(",", "\n")
        table.add_row(label, outcome.state, str(outcome.steps), f"{outcome.seconds:.1f}", *scalars)
    Console().print(table)
    job, outcome = done[-1]
    if outcome.state != "stopped":
        return 0
    _say(f"Stopped after step {outcome.steps}. To continue: {continuation(job.overrides, outcome.folder)}")
    return 130


def _columns(outcomes: Sequence[Outcome]) -> list[str]:
    """What is worth a column: losses and rewards."""
    names = {name: None for outcome in outcomes for name in outcome.scalars}
    return [name for name in names if name.endswith(("/loss", "/reward", "/effective_sample_size"))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
