"""What judging costs: videos a minute for every metric, and memory for a long video against a short one."""

import time
from collections.abc import Iterator
from typing import Any, Final

import torch

from benchmarks.common import LiveMemory
from evaluation.baselines import truth
from evaluation.evidence import look, observe
from evaluation.instruments import BUILT_IN
from evaluation.measure import discover
from evaluation.scoring import in_windows
from evaluation.signals import PIECE, Asked, Batch
from evaluation.windows import Cut, cut

PROMPT: Final = "red circle fast pan-slow"
FPS: Final = 16.0
SHORT_SECONDS: Final = 10
LONG_SECONDS: Final = 600
SIZE: Final = (96, 160)


def judging(videos: int = 8, frames: int = 120, long_seconds: int = LONG_SECONDS) -> dict[str, Any]:
    """Both."""
    short, long = peak(SHORT_SECONDS), peak(long_seconds)
    return {
        "judging_videos_per_minute": rates(videos, frames),
        "judging_videos": f"{videos} of {frames} frames of the toy world",
        "judging_peak_bytes_10_seconds": short,
        f"judging_peak_bytes_{long_seconds}_seconds": long,
        "judging_long_to_short_peak": long / short,
    }


@torch.inference_mode()
def rates(videos: int, frames: int) -> dict[str, float]:
    """Videos a minute: looking (decoding left out), and every metric in all windows once that is done."""
    clips = torch.stack([truth(PROMPT, seed, frames) for seed in range(videos)])
    started = time.perf_counter()
    evidence = look(clips, [PROMPT] * videos)
    found = {"looking": per_minute(videos, time.perf_counter() - started)}
    windows = cut(frames, Cut())
    for name, measure in discover().items():
        if all(need in BUILT_IN for need in measure.needs):
            started = time.perf_counter()
            in_windows(measure, evidence, windows)
            found[name] = per_minute(videos, time.perf_counter() - started)
    return found


def per_minute(videos: int, seconds: float) -> float:
    """A rate worth printing: three digits."""
    return float(f"{60 * videos / seconds:.3g}")


@torch.inference_mode()
def peak(seconds: int) -> int:
    """Most bytes of tensors while a video of so many seconds passes by the instruments that need no weights."""
    frames = int(seconds * FPS)
    with LiveMemory() as memory:
        observe(passing(frames), Asked(("a cat",), frames, FPS, ((0, frames),)))
    most: int = memory.peak
    return most


def passing(frames: int) -> Iterator[Batch]:
    """Frames that come into being as they pass by."""
    for start in range(0, frames, PIECE):
        count = min(PIECE, frames - start)
        yield torch.full((1, count, 3, *SIZE), start % 256, dtype=torch.uint8)
