"""A sweep as a whole: what is done already is found, the rest is launched, and everything is told at the end."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reward_forcing.composition import configuration
from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.hparams import write_hparams
from reward_forcing.sweeps.identity import config_hash
from reward_forcing.sweeps.jobs import Job, Outcome
from reward_forcing.sweeps.launchers import Perform, launcher_of
from reward_forcing.sweeps.processes import finished
from reward_forcing.sweeps.sharing import Sharing, identity_of, in_use, known_runs, link, same_run


def run_all(jobs: Sequence[Job], perform: Perform, after: str = "") -> list[tuple[Job, Outcome]]:
    """Do the jobs of a sweep with the launcher that their config chooses.

    Runs with the same config are done once: a finished one is taken over from wherever `sweep.reuse` looks, a half-done
    one of this sweep is continued whatever its label was. Where `resume` is not `auto`, nothing is taken over.

    Args:
        jobs: of one sweep.
        perform: does one in this process, what comes after it included.
        after: `module:function` to call in a job's process when it is finished, also where it was finished before.

    Raises:
        ValueError: the launcher or what is to be reused is not configured right.
    """
    launcher = launcher_of(jobs[0].config)
    identities = [config_hash(configuration.plain(job.config)) for job in jobs]
    _take_over(jobs, identities)
    before = [_settled(job, identity) for job, identity in zip(jobs, identities, strict=True)]
    firsts = [index for index, identity in enumerate(identities) if identities.index(identity) == index]
    todo = [index for index in firsts if after or before[index] is None]
    done = dict(zip(todo, launcher.launch([jobs[index] for index in todo], perform, after), strict=True))
    outcomes = [
        _as_known(done.get(identities.index(identity)), before[identities.index(identity)]) for identity in identities
    ]
    for index in set(range(len(jobs))) - set(firsts):
        label = jobs[identities.index(identities[index])].label
        outcomes[index] = replace(outcomes[index], note=f"the same run as {label}")
    results = list(zip(jobs, outcomes, strict=True))
    write_hparams(results)
    return results


def _take_over(jobs: Sequence[Job], identities: Sequence[str]) -> None:
    """Link the folders of jobs that have been done, or begun, elsewhere."""
    sweep = jobs[0].sweep
    sharing: Sharing = configuration.build(jobs[0].config, "sweep")
    if sweep is None or str(jobs[0].config.resume) != "auto":
        return
    elsewhere, here = known_runs(sharing.folders(sweep)), known_runs([sweep])
    owners: dict[str, Path] = {}
    for job, identity in zip(jobs, identities, strict=True):
        if job.folder.is_symlink() and identity_of(RunFolder(job.folder)) != identity:
            job.folder.unlink()  # it stood for a run that is gone, or for one with another config
        other = owners.get(identity) or same_run(job.folder, identity, elsewhere, here)
        owners.setdefault(identity, job.folder)
        if other and not in_use(job.folder):
            other.mkdir(parents=True, exist_ok=True)
            link(job.folder, other)


def _settled(job: Job, identity: str) -> Outcome | None:
    """The outcome of a job that was finished before; None: there is something to do."""
    folder = RunFolder(job.folder)
    if str(job.config.resume) != "auto" or identity_of(folder) != identity or not folder.summary.is_file():
        return None
    if job.folder.is_symlink():
        return replace(finished(folder), state="taken over", note=f"from {job.folder.resolve()}")
    return replace(finished(folder), state="finished before")


def _as_known(done: Outcome | None, before: Outcome | None) -> Outcome:
    """What became of a job now, told as what it was before where that was the end of it."""
    if done is None or (before and done.done):
        assert before
        return before
    return done
