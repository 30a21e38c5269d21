"""A metric is a value: a pure function of the evidence, with the words a report needs.

To add a metric, add a file to `evaluation/metrics/` with a tuple `MEASURES`: it is found, tabulated and tested.
`video_metric.VideoMetric` makes a torchmetrics metric of any.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from evaluation import metrics
from evaluation.evidence import Evidence


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One way to score videos.

    Args:
        name: as in tables on disk.
        title: as in reports, short.
        unit: of the score; empty for shares and other pure numbers.
        better: which scores are better; "target" means closest to `target` on average over videos, "open" that the
            score describes and does not judge.
        target: the truth's score where it is known, otherwise NaN.
        kind: "toy" needs videos of the toy world, "any" does not.
        needs: names of the instruments whose signals it reads.
        scope: "window" can score any part of a video; "whole" only the whole and its first clip.
        min_frames: shorter videos and windows have no score.
        optimised_by: rewards that contain the same quantity: who trained on one is not judged by it.
        function: the score of every clip, or of every clip and frame, whose mean then counts, leaving out NaN.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["higher", "lower", "target", "open"]
    target: float = float("nan")
    kind: Literal["toy", "any"]
    needs: tuple[str, ...] = ()
    scope: Literal["window", "whole"] = "window"
    min_frames: int = 1
    optimised_by: tuple[str, ...] = ()
    function: Callable[[Evidence], Float[Tensor, "clip *frame"]]

    def __post_init__(self) -> None:
        """Raise ValueError for a direction that needs a target it has not got."""
        if self.better == "target" and np.isnan(self.target):
            raise ValueError(f"measure {self.name!r}: better is 'target', so target must be a number")

    def __call__(self, evidence: Evidence) -> Float[Tensor, " clip"]:
        """One score a clip; NaN where the metric has nothing to say.

        Raises:
            ValueError: the metric is of the toy world and the videos are not.
        """
        _ = evidence.toy if self.kind == "toy" else None
        if evidence.length < self.min_frames:
            return torch.full((len(evidence.prompts),), torch.nan)
        scores = self.function(evidence).float()
        return scores.reshape(len(scores), -1).nanmean(1)

    def error(self, score: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        """How bad a mean score is: lower is better, whatever the direction of the metric; NaN if it does not judge."""
        errors = {"higher": -score, "lower": score, "target": np.abs(score - self.target)}
        return errors.get(self.better, np.full_like(score, np.nan))

    def optimised(self, reward: str) -> bool:
        """Whether training on a reward, as metadata name it ("tracked_motion", "a: 2 b + 1 c"), optimises this."""
        return any(name in reward for name in self.optimised_by)


def discover() -> dict[str, Measure]:
    """All metrics by name, from every file of `evaluation/metrics/`, in alphabetical order of files.

    Raises:
        ValueError: two metrics share a name.
    """
    found: dict[str, Measure] = {}
    for module in sorted(pkgutil.iter_modules(metrics.__path__), key=lambda module: module.name):
        for measure in importlib.import_module(f"{metrics.__name__}.{module.name}").MEASURES:
            if measure.name in found:
                raise ValueError(
                    f"evaluation/metrics/{module.name}.py: the name {measure.name!r} is taken; choose another"
                )
            found[measure.name] = measure
    return found


def choose(names: Sequence[str] | None) -> dict[str, Measure]:
    """The metrics of these names, all by default. Raises ValueError for an unknown name."""
    known = discover()
    for name in names or ():
        if name not in known:
            raise ValueError(f"metrics: {name!r} is unknown; allowed: {', '.join(known)}")
    return known if names is None else {name: known[name] for name in names}
