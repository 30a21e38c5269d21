"""What a study asks and how it answers: the key `study` of an experiment, read and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np

from evaluation.measure import Measure, discover
from evaluation.summary import WINDOWS, Column
from evaluation.windows import WHOLE

STREAMS: Final = "streams"
VARIANTS: Final = "variants"
SEED: Final = "seed"
"""The axis that says nothing about a cell: its students differ in it."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and what answers it.

    Args:
        question: that the study answers.
        reference: name of the cell that others are compared with.
        headline: metrics that answer the question: none of them may be optimised by the training.
        factors: what is varied, by name: an axis of the sweep, `variants` or `streams`; one or two.
        equivalence: margins within which a difference does not matter.
        prompts: videos of every student and stream.
        frames: of every video.
        variants: trainings that differ in several values, by name: overrides of the training.
        streams: ways to stream every student, by name: overrides of the config `stream`.
        first: files that trainings start from, and the command that makes each.

    Raises:
        ValueError: a value is missing or not allowed.
    """

    question: str
    reference: str
    headline: tuple[Column, ...]
    factors: Mapping[str, str] = field(default_factory=dict)
    equivalence: Mapping[Column, float] = field(default_factory=dict)
    prompts: int = 24
    frames: int = 120
    variants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    streams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("prompts", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"study.{name} is {getattr(self, name)}; it must be at least 1")
        if not self.headline:
            raise ValueError("study.headline is empty; give metrics such as [palette_drift late, shape_accuracy]")
        if len(self.factors) > 2:
            raise ValueError(f"study.factors names {', '.join(self.factors)}; allowed: one or two")
        for column, margin in self.equivalence.items():
            if column not in self.headline:
                raise ValueError(f"study.equivalence: {words(column)} is no headline; allowed: {listed(self.headline)}")
            if not margin > 0:
                raise ValueError(f"study.equivalence: the margin of {words(column)} is {margin}; it must be above 0")


def read_study(values: Mapping[str, Any], name: str) -> Study:
    """The study of an experiment.

    Args:
        values: of the config's key `study`.
        name: of the experiment, for messages.

    Raises:
        ValueError: there is none, or a key or value is not allowed.
    """
    if not values:
        raise ValueError(f"experiments={name} has no study; `reward-forcing study --list` shows those that have")
    known = [one.name for one in fields(Study)]
    for key in values:
        if key not in known:
            raise ValueError(f"study.{key} is unknown; allowed: {', '.join(known)}")
    for key in ("question", "reference", "headline"):
        if key not in values:
            raise ValueError(f"study.{key} is missing in experiments={name}")
    read = {
        "headline": tuple(map(column, values["headline"])),
        "equivalence": {column(text): float(margin) for text, margin in values.get("equivalence", {}).items()},
    }
    return Study(**{**values, **read})


def column(text: str) -> Column:
    """A metric and where it is taken: `palette_drift late`; alone, over the whole video.

    Raises:
        ValueError: there is no such metric or window.
    """
    metric, _, window = text.partition(" ")
    known = discover()
    if metric not in known:
        raise ValueError(f"study.headline: there is no metric {metric!r}; allowed: {', '.join(known)}")
    if (window or WHOLE) not in WINDOWS:
        raise ValueError(f"study.headline: {text!r} names no window; allowed: {', '.join(WINDOWS)}")
    return metric, window or WHOLE


def words(column: Column) -> str:
    """The inverse of `column`."""
    return " ".join(part for part in column if part != WHOLE)


def listed(columns: Sequence[Column]) -> str:
    """Columns, for messages."""
    return ", ".join(map(words, columns))


def require_honest(study: Study, reward: str) -> None:
    """Refuse headlines that the training optimises.

    Args:
        study: whose headlines.
        reward: what students are trained on, as the config calls it.

    Raises:
        ValueError: a headline is optimised.
    """
    known: Mapping[str, Measure] = discover()
    judged = [one for one in study.headline if known[one[0]].optimised(reward)]
    if judged:
        raise ValueError(
            f"study.headline: {listed(judged)} is optimised by reward={reward}; what was optimised is no evidence: "
            "take it out, it is tabulated anyway"
        )


def level_of(override: str) -> str:
    """How a value of an axis is called: `loss=dmd` is "dmd", `sink.decay=0.9` is "decay 0.9".

    >>> level_of("rollout.context_gradient=through"), level_of("memory.window_frames=6")
    ('through', 'window_frames 6')
    """
    key, _, value = override.partition("=")
    number = value.replace(".", "").replace("-", "").isdecimal()
    return f"{key.rpartition('.')[2]} {value}" if number else value


def verdict(low: float, high: float, better: str) -> str:
    """What the interval of a difference says: "better", "worse", "unclear"; "more" or "less" of what does not judge."""
    if np.isnan(low) or low <= 0 <= high:
        return "unclear"
    says = {"higher": ("better", "worse"), "lower": ("worse", "better")}.get(better, ("more", "less"))
    return says[0] if low > 0 else says[1]
