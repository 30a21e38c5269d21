"""A vision-language judge, or any function of frames and a prompt, that marks a part of every video from 1 to 5.

An answer that cannot be read gives no score and a note; it never stops an evaluation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends import rubric
from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.equip import chosen_device
from evaluation.backends.language_model import LanguageModel, identity
from evaluation.instruments import Equipment
from evaluation.named import load_named, named_fingerprint
from evaluation.signals import Asked, Batch, Chosen, Extractor, Known, Signal, Watcher

RATE: Final = 2.0
"""Frames a second that are shown, as VideoReward has it."""
MOST: Final = 32
"""Frames that are shown at most."""
TFLOP: Final = 80.0
"""Of a judge of 8 billion parameters that is shown ten frames of 480p, 500 tokens each."""


class Judge(Protocol):
    """Marks a video by some of its frames."""

    def __call__(self, frames: UInt8[Tensor, "frame 3 height width"], prompt: str, /) -> Mapping[str, float]:
        """By aspect (of `rubric.ASPECTS`, all or some), a mark from 1 to 5; ValueError where it has none."""


@dataclass(frozen=True)
class Part:
    """The part of a video that is judged, in seconds; below zero: from the end. The last five by default.

    Reward Forcing judges seconds 55 to 60 of videos of 60 seconds.
    """

    start: float = -5.0
    stop: float = math.inf

    def __str__(self) -> str:
        """As on the command line."""
        return f"{self.start:g}:" + ("" if self.stop == math.inf else f"{self.stop:g}")

    def frames(self, total: int, fps: float) -> list[int]:
        """Which of so many frames are shown: evenly spread over the part, RATE a second; none if it has no frame."""
        start, stop = (max(0.0, second if second >= 0 else second + total / fps) for second in (self.start, self.stop))
        first, last = (
            math.ceil(start * fps - 1e-6),
            min(total, math.ceil(stop * fps - 1e-6)) if stop < math.inf else total,
        )
        count = min(MOST, last - first, max(1, round((last - first) / fps * RATE)))
        return [round(index) for index in torch.linspace(first, last - 1, count).tolist()] if last > first else []


def part_of(text: str) -> Part:
    """`START:STOP` in seconds, either left out; `55:60`, `-5:`, `:5`. Raises ValueError for anything else.

    >>> part_of("55:60"), part_of("-5:")
    (Part(start=55.0, stop=60.0), Part(start=-5.0, stop=inf))
    """
    start, colon, stop = text.partition(":")
    try:
        found = Part(float(start or 0), float(stop or math.inf))
    except ValueError:
        found = Part(1, 0)
    if not colon or (found.stop <= found.start and (found.start < 0) == (found.stop < 0)):
        raise ValueError(f"judge seconds: {text!r}; write START:STOP, for instance 55:60, or -5: for the last five")
    return found


class Noted:
    """A watcher whose signal says what went wrong.

    Args:
        watcher: the one.
        complaints: filled while it watches.
    """

    def __init__(self, watcher: Watcher, complaints: list[str]) -> None:
        self.watcher, self.complaints = watcher, complaints

    def see(self, frames: Batch) -> None:
        """As the watcher does."""
        self.watcher.see(frames)

    def signal(self) -> Signal:
        """The watcher's, with all complaints."""
        return replace(self.watcher.signal(), note="; ".join(dict.fromkeys(self.complaints)))


def marks(
    judge: Judge, prompts: Sequence[str], complaints: list[str], shown: UInt8[Tensor, "clip frame 3 height width"]
) -> Float[Tensor, "clip 3"]:
    """Marks of videos in the order of `rubric.ASPECTS`; NaN, and a complaint, where the judge fails."""
    rows = [_marks(judge, prompt, complaints, frames) for prompt, frames in zip(prompts, shown, strict=True)]
    return torch.tensor(rows)


def _marks(judge: Judge, prompt: str, complaints: list[str], frames: Tensor) -> list[float]:
    try:
        return list(rubric.checked(judge(frames, prompt)).values())
    except Exception as error:  # whatever a judge of the user's raises: the other metrics go on
        complaints.append(f"the judge gave no marks: {str(error) or type(error).__name__}")
        return [math.nan] * len(rubric.ASPECTS)


def watch(asked: Asked, *, judge: Judge, part: Part) -> Mapping[str, Watcher]:
    """Marks of the whole video and its first clip, by the same part of each."""
    choose = partial(part.frames, fps=asked.fps)
    windows = [(start, stop) for start, stop in asked.windows if choose(stop - start)]
    nothing = Known(torch.full((len(asked.prompts), len(rubric.ASPECTS)), torch.nan))
    if not windows:
        return {"judge": Noted(nothing, [f"no second of {part} for the judge in {asked.frames / asked.fps:g} seconds"])}
    complaints: list[str] = []
    return {"judge": Noted(Chosen(partial(marks, judge, asked.prompts, complaints), windows, choose), complaints)}


def judged(equipment: Equipment, spec: str, part: Part, device: str | torch.device = "cpu") -> Equipment:
    """Equipment with a judge of the user's choice.

    Args:
        equipment: what there is besides.
        spec: folder of a model, or `package.module:function`, the function being a `Judge`.
        part: of every video that is judged.
        device: where a model runs.

    Raises:
        ValueError: there is no such judge, or no such device.
    """
    on = chosen_device(device)
    if Path(spec).is_dir():
        judge: Judge = LanguageModel(Path(spec), on)
        name = f"{identity(Path(spec))}, rubric sha256:{rubric.digest()}, {on.type}"
    else:
        judge = load_named(spec, "judge")
        name = named_fingerprint(spec, judge)
    instruments: dict[str, Extractor] = {**equipment.instruments, "judge": partial(watch, judge=judge, part=part)}
    missing = {name: why for name, why in equipment.missing.items() if name != "judge"}
    return Equipment(instruments, missing, {**equipment.fingerprints, "judge": f"{name}, seconds {part}"})


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch, judge=LanguageModel(paths[0].parent, device), part=Part())


def _about(paths: Sequence[Path]) -> str:
    return f"{identity(paths[0].parent)}, rubric sha256:{rubric.digest()}, seconds {Part()}"


def _cost(_: Footage) -> float:
    """The whole and its first clip."""
    return 2000 * TFLOP


BACKENDS: Final = (
    Backend(
        name="judge",
        title="vision-language judge",
        libraries=("transformers", "PIL"),
        files=(
            File(
                key="judge",
                names=("judge/config.json",),
                size=16_000_000_000,
                licence="the model's",
                hint="`evaluate --judge FOLDER` of any image-text-to-text model of transformers (or as "
                "checkpoints/evaluation/judge), or `--judge MODULE:FUNCTION` for a judge of your own",
            ),
        ),
        load=_load,
        cost=_cost,
        about=_about,
    ),
)
