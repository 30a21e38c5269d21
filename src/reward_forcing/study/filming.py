"""Streaming and judging one cell of a study, in a folder of its own; what is there is not made again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evaluation.evaluate import evaluate
from reward_forcing.generate import Request, Teaching, generate
from reward_forcing.streaming import Equipment
from reward_forcing.video_folder import Look

LOOK: Final = Look(fps=0, previews=False)
"""Of videos by the hundred: the report shows those that are worth looking at."""


@dataclass(frozen=True)
class Film:
    """Videos of one cell to make and judge.

    Args:
        cell: its name.
        folder: of its own.
        exports: networks to stream, by training seed.
        prompts: what to show.
        frames: of every video.
        stream: overrides of the config `stream`.
        levels: of the study's factors, noted with every video.
        baselines: whether truth and trivial videos are judged beside them.
        teaching: sample clips of a teacher instead of streaming.
    """

    cell: str
    folder: Path
    exports: Mapping[int, Path]
    prompts: tuple[str, ...]
    frames: int
    stream: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    baselines: bool = False
    teaching: Teaching | None = None


def film(film: Film) -> Path:
    """Stream and judge one cell; the path of its `results.json`.

    The seed of a video is the training seed of the student that makes it: pairs of cells share training noise, prompt
    and sampling noise.
    """
    for seed, export in film.exports.items():
        request = Request(prompts=film.prompts, seeds=(seed,), frames=film.frames, cell=film.cell, look=LOOK)
        equipment = Equipment(overrides=film.stream)
        generate(export, film.folder, request, teaching=film.teaching, equipment=equipment)
    manifest = film.folder / "manifest.jsonl"
    note_levels(manifest, film.levels)
    return evaluate(manifest, reference=film.cell, baselines=film.baselines, progress=False)


def note_levels(manifest: Path, levels: Mapping[str, str]) -> None:
    """Write the levels of factors into the metadata of every video of a manifest, and its seed as that of training."""
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    noted = [{**line, "metadata": {**line["metadata"], **levels, "training_seed": line["seed"]}} for line in lines]
    if noted != lines:
        manifest.write_text("".join(f"{json.dumps(line)}\n" for line in noted), encoding="utf-8")
