"""What a report says, in words and numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.provenance import differing, shared_metadata
from evaluation.report import view
from evaluation.report.caveats import caveats
from evaluation.report.reading import Results
from evaluation.summary import DRIFTS, WINDOWS, Column, Summary
from evaluation.table import Record


def texts(results: Results) -> dict[str, Any]:
    """Everything in words and numbers."""
    summary, measures, records = results.summary, results.measures, results.records
    made = [r for r in records if not r.baseline]
    metadata = shared_metadata(made)
    return {
        "verdicts": view.verdicts(summary, measures),
        "reference": summary.reference,
        "main": view.cells_table(summary, measures, summary.primary, rates(results.speed)),
        "clips": [view.cells_table(summary, measures, clips, rates(results.speed)) for clips in clip_columns(summary)],
        "windows": [(view.WINDOW_WORDS[w] or "whole video", view.metrics_table(summary, measures, w)) for w in WINDOWS],
        "drifts": [(view.WINDOW_WORDS[w], view.metrics_table(summary, measures, w)) for w in DRIFTS],
        "details": view.details(summary, measures),
        "speeds": speed_rows(results.speed, summary.reference),
        "environment": results.speed.get("environment", {}),
        "scopes": sorted({cell["scope"] for cell in results.speed.get("cells", [])}),
        "protocol": protocol(results.content, made),
        "cell_settings": [(cell, settings(metadata[cell], differing(metadata))) for cell in metadata],
        "caveats": caveats(records, summary, results.content, measures),
        "worst": view.worst(records, summary, measures),
        "skipped": sorted(results.content["skipped"].items()),
    }


def settings(metadata: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The settings of a cell that are not those of all cells."""
    known = [f"{key} = {metadata[key]}" for key in keys if metadata.get(key) is not None]
    return ", ".join(known) or "nothing particular"


def protocol(content: Mapping[str, Any], made: Sequence[Record]) -> list[tuple[str, str]]:
    """How the numbers came about, as pairs of words."""
    known = content["protocol"]
    prompts, counted = {r.prompt for r in made}, ", ".join(map(str, sorted({r.seed for r in made})))
    lengths = sorted({(r.frames, r.fps) for r in made})
    same = shared_metadata(made)
    common = {k: v for k, v in next(iter(same.values()), {}).items() if k not in differing(same) and v is not None}
    return [
        ("videos", f"{len(made)} videos: {len(same)} cells, {len(prompts)} prompts, seeds {counted}"),
        ("length", ", ".join(f"{frames} frames at {fps:g} per second" for frames, fps in lengths)),
        ("paired", "by prompt and seed: the same initial noise"),
        ("windows", f"sliding: {known['windows']['length']} frames every {known['windows']['hop']}; "
         f"first clip: {known['windows']['clip']} frames"),
        ("intervals", known["interval"]),
        ("in all cells", ", ".join(f"{key} = {value}" for key, value in sorted(common.items())) or view.DASH),
        ("versions", ", ".join(f"{name} {version}" for name, version in known["versions"].items())),
        ("manifest", f"{known['manifest']}, sha256 {known['manifest_sha256'][:12]}"),
        ("arithmetic", f"sha256 {known['arithmetic_sha256'][:12]}"),
        ("instruments", ", ".join(" ".join(pair) for pair in known["instruments"].items()) or view.DASH),
        ("prompts", f"sha256 {known['prompts_sha256'][:12]}"),
        ("again", f"reward-forcing evaluate {known['manifest']}; reward-forcing report results.json"),
    ]  # fmt: skip


def rates(speed: Mapping[str, Any]) -> dict[str, float]:
    """Steady frames per second of every cell that was timed."""
    return {cell["cell"]: cell["figures"]["fps"] for cell in speed.get("cells", [])}


def clip_columns(summary: Summary) -> list[tuple[Column, ...]]:
    """The columns on which cells of another length are compared, if there are any."""
    return [summary.primary_of(summary.other_length[0])] if summary.other_length else []


def speed_rows(speed: Mapping[str, Any], reference: str) -> list[tuple[str, ...]]:
    """The speed table: cell, frames per second, the same relative to the reference, first frame, chunks, memory."""
    rows: list[tuple[str, ...]] = []
    whole = rates(speed).get(reference, np.nan)
    for cell in speed.get("cells", []):
        f = {name: np.nan if value is None else value for name, value in cell["figures"].items()}
        rows.append(
            (
                cell["cell"],
                f"{f['fps']:.1f} ({f['fps_slowest_run']:.1f}–{f['fps_fastest_run']:.1f})",
                f"{f['fps'] / whole:.2f} x",
                f"{f['realtime']:.1f} x",
                f"{1000 * f['first_frame_s']:.0f} ms ({1000 * f['first_frame_cold_s']:.0f} cold)",
                " / ".join(f"{1000 * f[f'chunk_p{share}_s']:.0f}" for share in (50, 90, 99)) + " ms",
                f"{100 * f['growth_per_chunk']:+.2f} %",
                f"{f['stalls']:.0f} ({f['stalled_s']:.1f} s)",
                f"{f['memory_peak'] / 2**20:.0f} MiB ({f['memory_growth'] / 2**20:+.1f})",
            )
        )
    return rows
