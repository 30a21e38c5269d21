"""Measures as torchmetrics: `VideoMetric("one_sprite")`, or a class of its own, `OneSprite()`, for each of them.

>>> from evaluation.video_metric import FrameDifference
>>> metric = FrameDifference()
>>> metric.update(torch.arange(4, dtype=torch.uint8)[None, :, None, None, None].expand(1, 4, 3, 8, 8), ["a cat"])
>>> metric.compute()
tensor(1.)
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchmetrics import Metric

from evaluation.evidence import look
from evaluation.instruments import Equipment
from evaluation.measure import Measure, choose, discover


class VideoMetric(Metric):
    """Mean of a measure over videos, with the score of every video kept: a torchmetrics metric for training loops.

    Videos of several processes are joined when it computes; a video that came twice (padding samplers repeat some)
    counts once, if indices are given.

    Args:
        measure: the measure or its name.
        equipment: the instruments it may need; by default those without weights.
        fps: frames a second of the videos.

    Raises:
        ValueError: there is no such measure, or it needs an instrument that is not there.
    """

    full_state_update = False
    is_differentiable = False
    scores: list[Tensor] | Tensor
    indices: list[Tensor] | Tensor

    def __init__(self, measure: Measure | str, *, equipment: Equipment | None = None, fps: float = 8.0) -> None:
        super().__init__()
        self.measure = choose([measure])[measure] if isinstance(measure, str) else measure
        self.equipment, self.fps = equipment or Equipment(), fps
        if reason := self.equipment.lacking(self.measure.needs):
            raise ValueError(f"metrics: {self.measure.name}: {reason}")
        # Lists of other than 1-D float32 tensors fail when a process has no video.
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("indices", [], dist_reduce_fx="cat")

    def update(
        self,
        videos: UInt8[Tensor, "clip frame 3 height width"],
        prompts: Sequence[str],
        indices: Sequence[int] | None = None,
    ) -> None:
        """Score videos.

        Args:
            videos: levels 0 to 255.
            prompts: one a video.
            indices: one number a video, the same for the same video on every process; with one process they count up
                by default.

        Raises:
            ValueError: several processes and no indices: videos could not be told apart.
        """
        if indices is None and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
            raise ValueError("VideoMetric.update: indices is None with several processes; allowed: one number a video")
        first = sum(len(part) for part in self.scores)
        numbers = range(first, first + len(videos)) if indices is None else indices
        assert isinstance(self.scores, list)
        assert isinstance(self.indices, list)
        instruments = self.equipment.only(self.measure.needs)
        with torch.inference_mode():
            found = self.measure(look(videos, prompts, fps=self.fps, instruments=instruments))
        self.scores.append(found.clone())
        self.indices.append(torch.tensor(list(numbers), dtype=torch.float32))

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # torchmetrics forbids to set it
        """Of the score itself; None where another target counts, or nothing is judged."""
        return {"higher": True, "lower": False}.get(self.measure.better)

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: Any = None) -> Any:
        """Draw the mean over videos, or given values of it; as every torchmetrics metric does."""
        return self._plot(val, ax)

    def per_video(self) -> dict[int, float]:
        """The score of every video by its index."""
        scores, indices = (_joined(state) for state in (self.scores, self.indices))
        return {int(i): float(s) for i, s in sorted(zip(indices.tolist(), scores.tolist(), strict=True))}

    def compute(self) -> Tensor:
        """Mean over videos, leaving out those the metric has nothing to say about."""
        return torch.tensor(list(self.per_video().values())).nanmean()


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A state as one tensor: torchmetrics makes it one where processes are joined."""
    return state if isinstance(state, Tensor) else torch.cat([*state, torch.empty(0)])


def __getattr__(name: str) -> type[VideoMetric]:
    """The class of the measure whose name in capitals this is: `temporal_flickering` has `TemporalFlickering`."""
    for measure in discover().values():
        if class_name(measure.name) == name:
            return _class_of(measure.name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def class_name(measure: str) -> str:
    """What a measure's class is called.

    >>> class_name("palette_drift"), class_name("proxy/color")
    ('PaletteDrift', 'ProxyColor')
    """
    return "".join(word.capitalize() for word in measure.replace("/", "_").split("_"))


@cache
def _class_of(name: str) -> type[VideoMetric]:
    measure = discover()[name]

    def init(self: VideoMetric, **settings: Any) -> None:
        VideoMetric.__init__(self, name, **settings)

    words = f"{measure.title[:1].upper()}{measure.title[1:]} as a torchmetrics metric; arguments as `VideoMetric`."
    body = {"__init__": init, "__doc__": words, "__module__": __name__}
    return type(class_name(name), (VideoMetric,), body)
