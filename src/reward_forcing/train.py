"""Training: compose a config, check it, build what it names, run it, export what came out."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reward_forcing.composition import configuration, validation
from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.composition.searching import add_config_dir
from reward_forcing.exports import export, judge_of, notes_of, sink_of
from reward_forcing.launching import (
    continuation,
    is_first,
    require_alone,
    require_common_folder,
    require_processes,
)
from reward_forcing.run_folder import RunFolder, RunSettings, checkpoint_at
from reward_forcing.safekeeping import write_text
from reward_forcing.sweeps.afterwards import After, function_named, name_of
from reward_forcing.sweeps.continuing import require_readable, require_same_run, tell_what_differs
from reward_forcing.sweeps.identity import config_hash
from reward_forcing.sweeps.jobs import Job, Outcome, folder_name
from reward_forcing.sweeps.processes import end_with_parent, finished
from reward_forcing.sweeps.running import run_all
from reward_forcing.sweeps.table import tell

TRACEBACK_HINT = "(HYDRA_FULL_ERROR=1 shows where this was found.)\n"


def plan(overrides: Sequence[str], *, multirun: bool = False) -> list[Job]:
    """The runs that overrides ask for, composed and checked.

    Args:
        overrides: in Hydra's grammar.
        multirun: whether lists of values mean one run for each; an experiment with sweep axes can also say so itself.

    Raises:
        ConfigurationError: something is wrong with one of them; nothing has been touched yet.
    """
    fixed = [job[0] for job in [configuration.sweep([given], {})[0] for given in overrides]] if multirun else overrides
    base = configuration.compose(fixed)
    if not multirun and str(base.hydra.mode) != "RunMode.MULTIRUN":
        require_common_folder(base)
        validation.validate(base)
        return [Job(base, tuple(overrides))]
    return _sweep(base, overrides)


def _sweep(base: DictConfig, overrides: Sequence[str]) -> list[Job]:
    """The jobs of a sweep: one for each combination, in a folder named after what is special about it."""
    sweep = _sweep_folder(base)
    axes = {key: str(values) for key, values in (base.hydra.sweeper.params or {}).items()}
    combinations = configuration.sweep(overrides, axes)
    if len({tuple(job) for job in combinations}) < len(combinations):
        raise ConfigurationError("sweep: a value is given twice; each makes a run of its own, allowed is once")
    swept = [column for column in range(len(combinations[0])) if len({job[column] for job in combinations}) > 1]
    is_told = any(given.split("=")[0] == "resume" for given in overrides)
    jobs = []
    for combination in combinations:
        chosen = [combination[column] for column in swept]
        label = ",".join(chosen)
        config = configuration.compose(combination)
        config.run_dir = str(sweep / folder_name(label))
        config.resume = "auto" if config.resume == "never" and not is_told else config.resume
        require_alone(config)
        validation.validate(config)
        choices = dict(choice.split("=", 1) for choice in chosen)
        jobs.append(Job(config, tuple(combination), label, choices, sweep))
    return jobs


def _sweep_folder(base: DictConfig) -> Path:
    """Where a sweep writes: `run_dir`, without the time of day, so that the same command goes on with it."""
    folder = Path(str(configuration.plain(base)["run_dir"]))
    written = OmegaConf.to_container(base, resolve=False)
    assert isinstance(written, dict)
    return folder.parent if "${now:" in str(written["run_dir"]) else folder


def run(config: DictConfig) -> Outcome:
    """Do one run, or continue it.

    Raises:
        ValueError: the run's folder is in use or its checkpoints are damaged, its config has changed, or a constructor
            refuses a value.
    """
    validation.require_files(config)
    values = configuration.plain(config)
    settings: RunSettings = configuration.build(config, "settings")
    folder = RunFolder(Path(settings.run_dir))
    if settings.resume == "auto" and folder.finished_steps >= settings.max_steps:
        require_same_run(folder.last, values)
        return replace(finished(folder), state="finished before")
    with folder.alone() if is_first() else nullcontext():
        checkpoint = _checkpoint(folder, settings.resume)
        if checkpoint and is_first():
            require_same_run(checkpoint, values)
            require_readable(checkpoint, values)
            tell_what_differs(checkpoint, values)
        return _fit(config, values, folder, checkpoint)


def perform(job: Job, after: str = "") -> Outcome:
    """Do a job and, in the first process, what comes after it.

    Args:
        job: it.
        after: `module:function`; empty: nothing.
    """
    outcome = run(job.config)
    if after and outcome.done and is_first():
        function_named(after)(job, outcome)
    return outcome


def launch(jobs: Sequence[Job], after: After | str | None = None) -> list[tuple[Job, Outcome]]:
    """Do the jobs of a sweep with the launcher their config chooses (`hydra/launcher=...`), each once.

    Args:
        jobs: of one sweep, from `plan`.
        after: is called as `after(job, outcome)` in the process of every job that is finished, now or before.

    Raises:
        ValueError: files are missing, a plan cannot fit, or the launcher is not configured right.
    """
    name = name_of(after)
    _require_possible(jobs)
    return run_all(jobs, partial(perform, after=name), name)


def _checkpoint(folder: RunFolder, resume: str) -> Path | None:
    """Where to continue from; only the first process can tell whether the folder was in use before."""
    if is_first() or resume == "auto":
        return folder.checkpoint(resume)
    return None if resume == "never" else checkpoint_at(Path(resume))


def _fit(config: DictConfig, values: dict[str, Any], folder: RunFolder, checkpoint: Path | None) -> Outcome:
    """Build everything, train, export."""
    from lightning import Trainer, seed_everything

    from reward_forcing.callbacks.latest_outputs import LatestOutputs
    from reward_forcing.sweeps.record import record

    _quieten()
    seed_everything(values["seed"], verbose=False)
    latest, notes = LatestOutputs(), _notes(folder, values)
    callbacks = [configuration.build(config.callbacks, name) for name, node in config.callbacks.items() if node]
    loggers = [configuration.build(config.logger, name) for name, node in config.logger.items() if node]
    make_trainer = configuration.build(config, "trainer")
    trainer: Trainer = make_trainer(logger=loggers, callbacks=[*callbacks, latest, notes])
    data, module = configuration.build(config, "data"), configuration.build(config, "module")
    if trainer.is_global_zero:
        write_text(folder.config, OmegaConf.to_yaml(OmegaConf.create(values)))
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    done = Outcome(folder.path, trainer.global_step, "stopped", notes.seconds, latest.scalars)
    if trainer.global_step < values["trainer"]["max_steps"]:
        return done
    done = replace(done, state="finished")
    networks = module.exports()  # every process takes part, where networks are sharded
    if trainer.is_global_zero:
        export(networks, folder, notes_of(config, values, reward=judge_of(module), sink=sink_of(module)))
        summary = {"name": values["name"], "steps": done.steps, "seconds": done.seconds, "scalars": dict(done.scalars)}
        summary |= {**notes.about, "started": notes.started}
        summary |= record(values, done.steps, trainer.strategy.root_device)
        write_text(folder.summary, json.dumps(summary, indent=2))
    return done


def _notes(folder: RunFolder, values: Mapping[str, Any]) -> Any:
    """The callback that notes how far the run is, which goes on with the note of the run it continues."""
    from reward_forcing.callbacks.progress_notes import ProgressNotes
    from reward_forcing.sweeps.record import code

    about = {"config_hash": config_hash(values), "versions": code()}
    return ProgressNotes(folder.progress, about, folder.noted(folder.progress))


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
    """`reward-forcing train`: the exit status, 0: done, 1: a job failed, 2: refused, 130: stopped on request."""
    from reward_forcing.training_help import help_text

    parser = argparse.ArgumentParser("reward-forcing train", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--cfg", choices=["job"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--plan", action="store_true")
    add_config_dir(parser)
    parser.add_argument("--after", default="")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_intermixed_args(arguments)
    if given.help:
        return _say(help_text())
    end_with_parent()
    try:
        jobs = plan(given.overrides, multirun=given.multirun)
        if given.cfg:
            return _say("\n".join(_shown(job, resolve=given.resolve) for job in jobs))
        if given.plan:
            from reward_forcing.plan.report import described

            return _say("\n\n".join(described(configuration.plain(job.config)) for job in jobs))
        return _do(jobs, arguments, given.after)
    except ValueError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write(f"reward-forcing train: {error}\n{TRACEBACK_HINT}")
        return 2


def _do(jobs: Sequence[Job], arguments: Sequence[str], after: str) -> int:
    """Do one run or a sweep and tell what became of it."""
    if jobs[0].sweep:
        return tell(launch(jobs, after), shlex.join(["reward-forcing", "train", *arguments]))
    require_processes(jobs[0].config, jobs[0].overrides)
    name_of(after)
    _require_possible(jobs)
    outcome = perform(jobs[0], after)
    return tell([(jobs[0], outcome)], continuation(jobs[0].overrides, outcome.folder)) if is_first() else 0


def _require_possible(jobs: Sequence[Job]) -> None:
    """Refuse jobs whose files are missing or whose plan cannot fit; show the plans of large ones."""
    for job in jobs:
        validation.require_files(job.config)
    from reward_forcing.plan.report import require_fit

    plans = [require_fit(configuration.plain(job.config)) for job in jobs]
    if is_first() and any(plans):
        _say("\n".join(filter(None, plans)))


def _shown(job: Job, *, resolve: bool) -> str:
    kept = {key: job.config._get_node(key) for key in job.config if key != "hydra"}
    shown = OmegaConf.create(configuration.plain(job.config)) if resolve else OmegaConf.create(kept)
    return f"# {job.label}\n{OmegaConf.to_yaml(shown)}" if job.label else OmegaConf.to_yaml(shown)


def _say(text: str) -> int:
    sys.stdout.write(f"{text.rstrip()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
