"""Instruments that need no weights: they look at pixels. Arithmetic: `evaluation.functional.pixels`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from evaluation.functional import pixels
from evaluation.signals import Asked, Batch, EachFrame, EachPair, Extractor, Signal, Watcher

FIRST_CHUNK: Final = 3
"""Video frames at the start that later ones are compared with."""


class SinceTheStart:
    """Compares every frame with the first ones, which it keeps."""

    def __init__(self) -> None:
        self.first: Tensor | None = None
        self.waiting: list[Tensor] = []
        self.parts: list[Tensor] = []

    def see(self, frames: Batch) -> None:
        """One row a frame, once the first chunk is complete."""
        if self.first is None:
            self.waiting.append(frames)
            frames = torch.cat(self.waiting, 1)
            if frames.shape[1] < FIRST_CHUNK:
                return
            self.first, self.waiting = frames[:, :FIRST_CHUNK].clone(), []
        self.parts.append(pixels.sink_similarity(frames, self.first))

    def signal(self) -> Signal:
        """Similarity of every frame to the most similar of the first chunk."""
        if self.waiting:
            short = torch.cat(self.waiting, 1)
            self.parts.append(pixels.sink_similarity(short, short))
        values = torch.cat(self.parts, 1)
        index = torch.arange(values.shape[1])
        return Signal(values, torch.stack([index, index], 1))


def watch_pixels(_: Asked) -> Mapping[str, Watcher]:
    """Change between neighbouring frames, similarity to the beginning, and small grey pictures of all frames."""
    return {
        "change": EachPair(pixels.change),
        "since_start": SinceTheStart(),
        "thumbnail": EachFrame(pixels.thumbnails),
    }


BUILT_IN: Final[Mapping[str, Extractor]] = {"pixels": watch_pixels}
"""Always at hand, by the name that metrics need them under."""


@dataclass(frozen=True)
class Equipment:
    """What an evaluation can look with."""

    instruments: Mapping[str, Extractor] = field(default_factory=lambda: BUILT_IN)
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why others are not at hand, and how to get them."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of instruments with weights: whatever their signals depend on."""

    def lacking(self, needs: Sequence[str]) -> str:
        """Why something that needs these instruments cannot be measured; empty if it can."""
        return next((self.missing.get(n, f"no instrument {n!r}") for n in needs if n not in self.instruments), "")

    def only(self, needs: Iterable[str]) -> Mapping[str, Extractor]:
        """These instruments."""
        return {name: self.instruments[name] for name in dict.fromkeys(needs)}

    def mark(self, needs: Sequence[str]) -> str:
        """Tells apart scores taken with other weights."""
        return " ".join(self.fingerprints.get(name, "") for name in needs).strip()
