"""All figures of a timed cell by name; seconds, frames per second, bytes, operations a second, joules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from evaluation.speed.runs import TEXT, Run, Speed
from evaluation.speed.work import Ceiling, Work

SHARES: Final = (50, 90, 95, 99)
"""Percentiles of the time a chunk takes."""

NOISY: Final = 0.1
DISAGREEING: Final = 0.05
GROWING: Final = 0.01
LEAKING: Final = 2**16
FEW_CHUNKS: Final = 20
FEW_RUNS: Final = 3


@dataclass(frozen=True)
class Timed:
    """A timed cell and what its chunks had to cost, if that is known."""

    speed: Speed
    work: Work | None = None
    ceiling: Ceiling | None = None


def latencies(speed: Speed) -> dict[str, float]:
    """How long chunks take within the scope of a speed, and how many frames come."""
    low, high = speed.fps_range
    return {
        "fps": speed.fps,
        "fps_slowest_run": low,
        "fps_fastest_run": high,
        "fps_with_ramp": speed.whole_fps,
        "fps_ramp": speed.ramp_fps,
        "first_frame_s": speed.first_frame,
        "first_frame_cold_s": speed.cold.first,
        **{f"chunk_p{share}_s": speed.percentile(share) for share in SHARES},
        "chunk_max_s": speed.percentile(100),
        "realtime": speed.fps / speed.playback,
        "growth_s_per_chunk": speed.slope,
        "growth_per_chunk": speed.growth,
    }


def figures(speed: Speed) -> dict[str, float]:
    """What a client of the whole stream sees: times, stalls, memory, energy."""
    count, waited = speed.stalls
    kinds = list(speed.runs[0].memory)
    peak = max((speed.peak(kind) for kind in kinds if kind != "reserved"), default=0)
    return {
        **latencies(speed),
        "stalls": count,
        "stalled_s": waited,
        "buffer_needed_s": speed.buffer_needed,
        "text_s": float(np.median([run.stages[TEXT][0] if TEXT in run.stages else 0.0 for run in speed.runs])),
        "memory_peak": peak,
        "memory_beyond": max(0, peak - min(run.before for run in speed.runs)),
        **{f"memory_{kind}": speed.peak(kind) for kind in kinds},
        "memory_growth": speed.memory_growth,
        "memory_slope": speed.memory_slope,
        "joules_per_frame": speed.joules,
    }


def shares(timed: Timed, scope: str) -> dict[str, float]:
    """Operations of a steady chunk, the rate they were done at and its share of the ceiling; nothing if unknown."""
    if timed.work is None or timed.ceiling is None:
        return {}
    speed, ceiling = timed.speed.within(scope), timed.ceiling
    operations = timed.work.of(scope, speed.ramp)
    run = speed.steady[0]
    rate = operations * len(speed.runs) / sum(sum(steady.seconds) for steady in speed.steady)
    found = {
        "flops_per_chunk": operations / len(run.seconds),
        "flops_per_s": rate,
        "share_of_ceiling": rate / ceiling.measured,
        "ceiling_fps": sum(run.frames) * ceiling.measured / operations,
    }
    return found | ({"share_of_published": rate / ceiling.published} if ceiling.published else {})


def stages(speed: Speed) -> dict[str, float]:
    """Mean seconds of each stage of a steady chunk; text is encoded for the first chunk alone."""
    chunks = sum(len(run.seconds) for run in speed.steady)
    names = [name for name in speed.runs[0].stages if name != TEXT]
    return {stage: sum(sum(run.stages[stage]) for run in speed.steady) / chunks for stage in names}


def remarks(speed: Speed) -> list[str]:
    """What a reader must know before believing the figures of a cell."""
    low, high = speed.fps_range
    count = min(len(run.seconds) for run in speed.steady)
    several = count > 1
    apart = max(run.disagreement for run in (speed.cold, *speed.runs))
    found = {
        f"stages and wall clock differ by {apart:.0%}: some work is outside the queue that is watched; "
        "end-to-end figures are those of the wall clock": apart > DISAGREEING,
        f"runs differ by {high / low - 1:.0%}: the machine does other work, or its clock changes": high / low - 1
        > NOISY,
        f"only {len(speed.runs)} runs count; {FEW_RUNS} are a minimum": len(speed.runs) < FEW_RUNS,
        f"only {count} steady chunks a run; {FEW_CHUNKS} are a minimum": several and count < FEW_CHUNKS,
        f"no chunk after the first {speed.ramp}: the ramp is counted": len(speed.runs[0].seconds) <= speed.ramp,
        f"chunks take longer and longer: {speed.growth:+.1%} each": several and speed.growth > GROWING,
        f"memory grows by {speed.memory_slope / 2**20:.2f} MiB a chunk": speed.memory_slope > LEAKING,
        **_seen(speed.runs),
    }
    return [f"{speed.cell}: {words}" for words, holds in found.items() if holds]


def _seen(runs: Sequence[Run]) -> dict[str, bool]:
    stamps = [run.stamp for run in runs if run.stamp]
    suspicions = dict.fromkeys(words for stamp in stamps for words in stamp.suspicions)
    return {
        **{f"suspicious frames: {words}": True for words in suspicions},
        "the frames of its runs are not the same": len({stamp.digest for stamp in stamps}) > 1,
    }


def quality(speed: Speed) -> dict[str, Any]:
    """The stamp of the last run, and whether it is to be believed."""
    stamp = speed.runs[-1].stamp
    if stamp is None:
        return {}
    numbers = {name: value for name, value in vars(stamp).items() if not (isinstance(value, float) and np.isnan(value))}
    return {**numbers, "verdict": "suspicious" if stamp.suspicions else "plausible", "suspicions": stamp.suspicions}
