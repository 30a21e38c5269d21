"""A sweep for TensorBoard's HParams tab: for every cell, what distinguishes it and what came out."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from reward_forcing.sweeps.jobs import Job, Outcome

FOLDER: Final = "hparams"
"""Under the sweep's folder; `tensorboard --logdir SWEEP` finds it."""


def write_hparams(results: Sequence[tuple[Job, Outcome]]) -> None:
    """Write one TensorBoard run for every finished cell, in place of what an earlier sweep wrote."""
    sweep = results[0][0].sweep
    done = [(job, outcome) for job, outcome in results if outcome.done and outcome.scalars]
    if sweep is None or not done:
        return
    shutil.rmtree(sweep / FOLDER, ignore_errors=True)
    for job, outcome in done:
        write_cell(sweep / FOLDER / job.folder.name, job.choices, outcome)


def write_cell(folder: Path, choices: Mapping[str, str], outcome: Outcome) -> None:
    """Write the hyper-parameters of a cell and its last scalars, under their own names."""
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    metrics = dict(outcome.scalars)
    with SummaryWriter(str(folder)) as writer:
        file = writer._get_file_writer()
        for summary in hparams({key: value_of(text) for key, text in choices.items()}, metrics):
            file.add_summary(summary)
        for name, value in metrics.items():
            writer.add_scalar(name, value, outcome.steps)


def value_of(text: str) -> float | bool | str:
    """A number where a text is one, so that TensorBoard can sort and plot it."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text
