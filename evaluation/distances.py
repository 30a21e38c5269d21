"""Fréchet and kernel distances between two sets of videos, by features of whole clips (FVD and its kin).

Both are torchmetrics' (`FrechetInceptionDistance`, `KernelInceptionDistance`); what is ours is the features, what is
said beside the number, and the floor: how far one half of the real videos is from the other.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from evaluation.extractors import Taking
from evaluation.manifest import Entry
from evaluation.provenance import digest
from evaluation.sights import BROKEN
from reward_forcing import seeding
from reward_forcing.videos import Frames, read_clip

FEW: Final = 256
"""With fewer videos the Fréchet distance is too large by an unknown amount."""
SUBSETS: Final = 100
"""Of which the kernel distance is the mean."""
LEAST: Final = 4
"""Videos of a set: its halves need two each."""
SHOWN: Final = 3
"""So many reasons are told."""


@dataclass(frozen=True)
class Looking:
    """How videos are looked at.

    Args:
        extractor: of features.
        name: its fingerprint.
        taking: which frames.
        device: where the extractor is.
        advance: is told the name of every video before it is looked at.
    """

    extractor: Callable[[Tensor], Tensor]
    name: str
    taking: Taking
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    advance: Callable[[str], object] = str


@dataclass(frozen=True)
class Features:
    """What is known of a set of videos."""

    rows: Float[Tensor, "video feature"]
    sizes: tuple[str, ...]
    """Rows x columns that occur."""
    left_out: Mapping[str, str]
    """Reasons by video."""


@dataclass(frozen=True)
class Distance:
    """Between two sets."""

    frechet: float
    kernel: float
    """Squared maximum mean discrepancy under a cubic kernel, without bias: about 0, also below it, for equals."""
    spread: float
    """Standard deviation of the kernel distance over subsets of half the videos, which overlap."""
    real: int
    fake: int


@dataclass(frozen=True)
class Report:
    """Distances of every cell, with all that must be said about them."""

    cells: Mapping[str, Distance]
    floor: Distance
    """Between two halves of the real videos."""
    taking: Taking
    extractor: str
    sizes: Mapping[str, tuple[str, ...]]
    """Of real and of every cell's videos."""
    left_out: Mapping[str, str]


class Given(nn.Module):
    """Features that are there already, for torchmetrics."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, rows: Tensor) -> Tensor:
        """The same."""
        return rows


def frechet(real: Float[Tensor, "video feature"], fake: Float[Tensor, "sample feature"]) -> float:
    """The squared Fréchet distance of the normal distributions that fit two sets of features, in fp64."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(Given(real.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return float(metric.compute())


def kernel(
    real: Float[Tensor, "video feature"], fake: Float[Tensor, "sample feature"], *, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation of the unbiased kernel distance over subsets, drawn by the seed."""
    from torchmetrics.image.kid import KernelInceptionDistance

    size = max(2, min(len(real), len(fake)) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save", UserWarning)  # they are small
        metric = KernelInceptionDistance(Given(real.shape[1]), subsets=SUBSETS, subset_size=size)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    with torch.random.fork_rng(devices=[]):  # torchmetrics draws from the global generator
        torch.manual_seed(seed)
        mean, spread = metric.compute()
    return float(mean), float(spread)


def between(real: Float[Tensor, "video feature"], fake: Float[Tensor, "sample feature"]) -> Distance:
    """Both distances of two sets of features. Raises ValueError for fewer than 2 videos in a set."""
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"distances: sets of {len(real)} and {len(fake)} videos; at least 2 are needed in each")
    mean, spread = kernel(real, fake)
    return Distance(frechet(real, fake), mean, spread, len(real), len(fake))


def floor(real: Float[Tensor, "video feature"], *, seed: int = 0) -> Distance:
    """Between two random halves of one set: with half the videos, so that its Fréchet part is larger than needed."""
    order = torch.randperm(len(real), generator=seeding.generator("floor", seed))
    return between(*(real[part] for part in order.tensor_split(2)))


def features(entries: Sequence[Entry], how: Looking) -> Features:
    """Features of all videos that can be read and are long enough, one video at a time."""
    rows: list[Tensor] = []
    sizes: dict[str, None] = {}
    left_out: dict[str, str] = {}
    for entry in entries:
        how.advance(entry.video.name)
        try:
            frames = taken(entry.video, how.taking)
            rows.append(_row_of(frames, how))
        except BROKEN as error:
            left_out[str(entry.video)] = str(error)
        else:
            sizes[f"{frames.shape[-2]} x {frames.shape[-1]}"] = None
    return Features(torch.cat(rows) if rows else torch.empty(0, 0), tuple(sizes), left_out)


def _row_of(frames: Frames, how: Looking) -> Float[Tensor, "1 feature"]:
    with torch.no_grad():
        row = how.extractor(frames[None].to(how.device)).double().cpu()
    if not row.isfinite().all():
        raise ValueError("its features are not finite: the extractor sees nothing in it")
    return row


def taken(video: Path, taking: Taking) -> Frames:
    """The frames of a video that are looked at. Raises ValueError if it is too short or cannot be read."""
    frames = read_clip(video, taking.span).frames
    if len(frames) < taking.span:
        raise ValueError(f"it has {len(frames)} frames; {taking.span} are needed")
    return frames[:: taking.stride]


def compare(real: Sequence[Entry], fake: Sequence[Entry], how: Looking) -> Report:
    """Every cell of `fake` against all of `real`. Raises ValueError if too few videos of a set can be used."""
    cells = {cell: [entry for entry in fake if entry.cell == cell] for cell in dict.fromkeys(e.cell for e in fake)}
    known = _enough("real", features(real, how))
    found = {cell: _enough(cell, features(entries, how)) for cell, entries in cells.items()}
    return Report(
        cells={cell: between(known.rows, made.rows) for cell, made in found.items()},
        floor=floor(known.rows),
        taking=how.taking,
        extractor=how.name,
        sizes={"real": known.sizes, **{cell: made.sizes for cell, made in found.items()}},
        left_out={video: why for made in (known, *found.values()) for video, why in made.left_out.items()},
    )


def _enough(name: str, found: Features) -> Features:
    if len(found.rows) >= LEAST:
        return found
    why = "".join(f"; {Path(video).name}: {reason}" for video, reason in [*found.left_out.items()][:SHOWN])
    raise ValueError(f"{name}: {len(found.rows)} videos can be used; at least {LEAST} are needed{why}")


def told(report: Report) -> str:
    """The report in words."""
    taking = report.taking
    sizes = "; ".join(f"{name} {', '.join(found)}" for name, found in report.sizes.items())
    lines = [
        f"extractor: {report.extractor}",
        f"clips: the first {taking.frames} frames, stride {taking.stride}; pixels: {sizes}",
        _row("", "real", "videos", "Fréchet", "kernel", "spread"),
        *(_told(cell, distance) for cell, distance in report.cells.items()),
        _told("floor: real, in halves", report.floor),
    ]
    lines += [f"left out: {video}: {why}" for video, why in report.left_out.items()]
    fewest = min(min(d.real, d.fake) for d in report.cells.values())
    if fewest < FEW:
        lines.append(
            f"only {fewest} videos: below {FEW} the Fréchet distance is too large and says little; read the kernel's"
        )
    return "\n".join(lines)


def _told(name: str, distance: Distance) -> str:
    numbers = (f"{value:.4g}" for value in (distance.frechet, distance.kernel, distance.spread))
    return _row(name, str(distance.real), str(distance.fake), *numbers)


def _row(name: str, *fields: str) -> str:
    return f"  {name:<28}" + "".join(f"{field:>11}" for field in fields)


def content(report: Report, real: Path, fake: Path) -> dict[str, Any]:
    """Everything, as JSON knows it."""
    return {
        "schema": "reward-forcing/distances/1",
        "manifests": {str(path.name): digest(path) for path in (real, fake)},
        **asdict(report),
    }
