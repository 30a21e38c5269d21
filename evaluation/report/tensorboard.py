"""An evaluation in TensorBoard: cells as runs, metrics over time with bands, the HParams table, animated samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from evaluation.measure import Measure
from evaluation.provenance import differing, shared_metadata
from evaluation.summary import Summary
from evaluation.table import Record
from reward_forcing.videos import Clip, animation, read_clip

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SAMPLES: Final = 3
"""Videos of each cell that are shown."""

SAMPLE_FRAMES: Final = 240
"""At most so many frames of each."""

SMALL_SIDE: Final = 96
"""Smaller videos are enlarged to about this many pixels."""


def write_tensorboard(
    folder: Path, records: tuple[Record, ...], summary: Summary, measures: Mapping[str, Measure], videos: Path
) -> Path:
    """Write one run a cell into `folder`.

    Scalars: `whole/METRIC` (step 0) and, against the index of the sliding window, `over time/METRIC`, `.../low` and
    `.../high`, drawn as bands under Custom Scalars. HParams: the settings in which cells differ, against the primary
    metrics. Images: the first videos, animated.

    Args:
        folder: what `tensorboard --logdir` is given.
        records: all scores.
        summary: of them.
        measures: the metrics.
        videos: folder that the records' paths are relative to.

    Returns:
        `folder`.
    """
    from torch.utils.tensorboard import SummaryWriter

    made = [record for record in records if not record.baseline]
    settings = shared_metadata(made)
    keys = differing(settings)
    for cell in (*summary.cells, *summary.baselines):
        with SummaryWriter(str(folder / file_name(cell))) as writer:
            writer.add_custom_scalars(layout(summary, measures))
            _scalars(writer, summary, cell)
            if cell in summary.cells:
                _settings(writer, {"cell": cell} | {k: settings[cell].get(k) for k in keys}, summary, cell)
                _samples(writer, [record for record in made if record.cell == cell][:SAMPLES], videos)
    return folder


def file_name(cell: str) -> str:
    """A cell as the name of a folder.

    >>> file_name("EMA 0.99/static")
    'EMA 0.99_static'
    """
    return "".join(letter if letter.isalnum() or letter in " .=,-_" else "_" for letter in cell)


def layout(summary: Summary, measures: Mapping[str, Measure]) -> dict[str, dict[str, list[Any]]]:
    """Custom scalars: a chart with a band for every metric that has a curve."""
    drawn = [name for name in measures if any(len(curves[name].points) > 1 for curves in summary.curves.values())]
    tags = {name: [f"over time/{name}", f"over time/{name}/low", f"over time/{name}/high"] for name in drawn}
    return {"over time": {measures[name].title: ["Margin", lines] for name, lines in tags.items()}}


def _scalars(writer: "SummaryWriter", summary: Summary, cell: str) -> None:
    for (metric, window), estimate in summary.estimates[cell].items():
        if window == "all" and not np.isnan(estimate.mean):
            writer.add_scalar(f"whole/{metric}", estimate.mean, 0)
    for metric, curve in summary.curves[cell].items():
        for step, point in enumerate(curve.points):
            for tag, value in (("", point.mean), ("/low", point.low), ("/high", point.high)):
                if not np.isnan(value):
                    writer.add_scalar(f"over time/{metric}{tag}", value, step)


def _settings(writer: "SummaryWriter", settings: Mapping[str, object], summary: Summary, cell: str) -> None:
    """The cell's row of the HParams table."""
    from torch.utils.tensorboard.summary import hparams

    plain = {
        key: value if isinstance(value, int | float | bool | str) else str(value) for key, value in settings.items()
    }
    found = {f"{metric} ({window})": summary.estimates[cell][metric, window].mean for metric, window in summary.primary}
    known = {name: value for name, value in found.items() if not np.isnan(value)}
    for part in hparams(plain, known):
        writer._get_file_writer().add_summary(part)
    for name, value in known.items():
        writer.add_scalar(name, value, 0)


def _samples(writer: "SummaryWriter", records: list[Record], videos: Path) -> None:
    for record in records:
        path = videos / record.video
        if path.is_file():
            frames = read_clip(path, SAMPLE_FRAMES).frames
            scale = max(1, SMALL_SIDE // max(frames.shape[-2:]))
            writer._get_file_writer().add_summary(
                animation(f"{record.prompt} (seed {record.seed})", Clip(frames, record.fps), scale), 0
            )
