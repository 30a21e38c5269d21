"""What instruments see along videos. Frames pass by once, in order, and are never all held.

An `Extractor` is asked to watch some videos and sets up `Watcher`s; what each has seen in the end is a `Signal`, whose
rows say which frames they are about. Metrics are functions of signals, so whatever looks at pixels (or runs a network
on them) runs once a video, and a window of the video is a selection of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Batch: TypeAlias = UInt8[Tensor, "clip frame 3 height width"]
"""Some frames of a batch of videos of one length and size, levels 0 to 255."""

PIECE: Final = 16
"""Frames that pass by together."""


@dataclass(frozen=True)
class Signal:
    """Rows of numbers along a batch of videos."""

    values: Float[Tensor, "clip row *feature"]
    spans: Int[Tensor, "row 2"] | None
    """First and last frame each row is about; None: about the whole videos, whatever part of them is asked for."""
    note: str = ""
    """What kept the instrument from looking, if something did."""

    def between(self, start: int, stop: int) -> "Signal":
        """The rows that are about frames start..stop-1 only."""
        if self.spans is None:
            return self
        inside = (self.spans[:, 0] >= start) & (self.spans[:, 1] < stop)
        return replace(self, values=self.values[:, inside], spans=self.spans[inside])

    def exactly(self, start: int, stop: int) -> Float[Tensor, "clip *feature"]:
        """The row about exactly these frames; NaN if there is none."""
        if self.spans is not None:
            found = (self.spans == torch.tensor([start, stop - 1])).all(1).nonzero()
            if len(found):
                return self.values[:, int(found[0])]
        return torch.full((len(self.values), *self.values.shape[2:]), torch.nan)


@dataclass(frozen=True)
class Asked:
    """The videos that will pass by."""

    prompts: tuple[str, ...]
    frames: int
    """In each of them."""
    fps: float
    windows: tuple[tuple[int, int], ...] = ()
    """Start and stop of the parts that will be asked for."""
    details: tuple[Mapping[str, Any], ...] = ()
    """What else is known about each, as in its manifest's metadata; none is known by default."""

    def known(self) -> tuple[Mapping[str, Any], ...]:
        """The details of every video, empty ones where none are known."""
        return self.details or ({},) * len(self.prompts)


class Watcher(Protocol):
    """Watches one batch of videos."""

    def see(self, frames: Batch) -> None:
        """The next frames of all videos."""

    def signal(self) -> Signal:
        """What was seen, after the last frame."""


Extractor: TypeAlias = Callable[[Asked], Mapping[str, Watcher]]
"""Sets up watchers, by the name of their signal."""


class EachFrame:
    """A function of single frames: [frame, 3, height, width] levels to [frame, ...]."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.parts: list[Tensor] = []

    def see(self, frames: Batch) -> None:
        """One row a frame."""
        rows = self.function(frames.flatten(0, 1)).float().cpu()
        self.parts.append(rows.unflatten(0, frames.shape[:2]))

    def signal(self) -> Signal:
        """All rows."""
        values = torch.cat(self.parts, 1)
        index = torch.arange(values.shape[1])
        return Signal(values, torch.stack([index, index], 1))


class EachPair:
    """A function of neighbours among every `step`-th frame: two times [pair, 3, height, width] to [pair, ...].

    Args:
        function: of earlier and later frames.
        step: frames from one to the next.
        empty: shape of a row's features, for videos with no pair.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], Tensor], step: int = 1, empty: tuple[int, ...] = ()
    ) -> None:
        self.function, self.step, self.empty = function, step, empty
        self.parts: list[Tensor] = []
        self.clips = self.seen = 0
        self.before: Tensor | None = None

    def see(self, frames: Batch) -> None:
        """One row a pair that is complete."""
        self.clips = len(frames)
        taken = frames[:, -self.seen % self.step :: self.step]
        self.seen += frames.shape[1]
        joined = taken if self.before is None else torch.cat([self.before, taken], 1)
        if joined.shape[1] > 1:
            rows = self.function(joined[:, :-1].flatten(0, 1), joined[:, 1:].flatten(0, 1)).float().cpu()
            self.parts.append(rows.unflatten(0, (self.clips, joined.shape[1] - 1)))
        self.before = joined[:, -1:]

    def signal(self) -> Signal:
        """All rows."""
        values = torch.cat([torch.empty(self.clips, 0, *self.empty), *self.parts], 1)
        index = torch.arange(values.shape[1]) * self.step
        return Signal(values, torch.stack([index, index + self.step], 1))


class Chosen:
    """A function of some frames of a part, taken together: [clip, chosen, 3, height, width] to [clip, ...].

    Args:
        function: of the chosen frames.
        parts: start and stop of every part.
        choose: which frames of a part of so many; indices may repeat.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        parts: Sequence[tuple[int, int]],
        choose: Callable[[int], Sequence[int]],
    ) -> None:
        self.function, self.parts = function, tuple(dict.fromkeys(parts))
        self.wanted = [[start + index for index in choose(stop - start)] for start, stop in self.parts]
        self.held: dict[int, Tensor] = {}
        self.rows: dict[int, Tensor] = {}
        self.seen = 0

    def see(self, frames: Batch) -> None:
        """Keep what a part still needs; a part that has all its frames becomes a row."""
        passing = range(self.seen, self.seen + frames.shape[1])
        self.seen = passing.stop
        for index in {index for wanted in self.wanted for index in wanted if index in passing}:
            self.held[index] = frames[:, index - passing.start].clone()
        for part, wanted in enumerate(self.wanted):
            if part not in self.rows and max(wanted) < self.seen:
                self.rows[part] = self.function(torch.stack([self.held[index] for index in wanted], 1)).float().cpu()
        needed = {index for part, wanted in enumerate(self.wanted) if part not in self.rows for index in wanted}
        self.held = {index: frame for index, frame in self.held.items() if index in needed}

    def signal(self) -> Signal:
        """One row a part."""
        values = torch.stack([self.rows[part] for part in range(len(self.parts))], 1)
        return Signal(values, torch.tensor([(start, stop - 1) for start, stop in self.parts]))


@dataclass(frozen=True)
class Known:
    """Something known without looking, such as features of the prompts: one row."""

    values: Float[Tensor, "clip *feature"]

    def see(self, frames: Batch) -> None:
        """Nothing to see."""

    def signal(self) -> Signal:
        """The same for every part."""
        return Signal(self.values.float().cpu().unsqueeze(1), None)
