"""Ways to watch that only networks need."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evaluation.signals import Batch, Signal, Watcher


class Picked:
    """A function of some frames, each alone: [frame, 3, height, width] levels to [frame, ...].

    Args:
        function: of the frames.
        wanted: their numbers.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], wanted: Collection[int]) -> None:
        self.function, self.wanted = function, sorted(set(wanted))
        self.parts: list[Tensor] = []
        self.seen = 0

    def see(self, frames: Batch) -> None:
        """One row for each that passes."""
        passing = [index - self.seen for index in self.wanted if 0 <= index - self.seen < frames.shape[1]]
        self.seen += frames.shape[1]
        if passing:
            chosen = frames[:, passing]
            self.parts.append(self.function(chosen.flatten(0, 1)).float().cpu().unflatten(0, chosen.shape[:2]))

    def signal(self) -> Signal:
        """All rows."""
        index = torch.tensor(self.wanted)
        return Signal(torch.cat(self.parts, 1), torch.stack([index, index], 1))


class EachThree:
    """A function of an even frame, the next, and the one after: three times [row, 3, height, width] to [row]."""

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        self.function = function
        self.parts: list[Tensor] = []
        self.left: Tensor | None = None
        self.clips = 0

    def see(self, frames: Batch) -> None:
        """One row for every even frame whose successors have come."""
        joined = frames if self.left is None else torch.cat([self.left, frames], 1)
        rows, self.clips = max(0, (joined.shape[1] - 1) // 2), len(frames)
        if rows:
            three = [joined[:, first : first + 2 * rows : 2].flatten(0, 1) for first in range(3)]
            self.parts.append(self.function(*three).float().cpu().unflatten(0, (self.clips, rows)))
        self.left = joined[:, 2 * rows :].clone()

    def signal(self) -> Signal:
        """All rows."""
        values = torch.cat([torch.empty(self.clips, 0), *self.parts], 1)
        index = 2 * torch.arange(values.shape[1])
        return Signal(values, torch.stack([index, index + 2], 1))


@dataclass
class Remarked:
    """A watcher whose signal says what kept it from looking, if something did.

    Args:
        watcher: the one.
        remark: about frames of a height and width; empty if all is well.
    """

    watcher: Watcher
    remark: Callable[[int, int], str]
    note: str = ""

    def see(self, frames: Batch) -> None:
        """As the watcher does."""
        self.note = self.remark(frames.shape[-2], frames.shape[-1])
        self.watcher.see(frames)

    def signal(self) -> Signal:
        """The watcher's, with the remark."""
        return replace(self.watcher.signal(), note=self.note)
