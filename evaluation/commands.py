"""The actions of `reward-forcing evaluation`: functions of plain values that tell what they did.

Another action is one more function here, and its arguments in `reward_forcing.evaluation_arguments`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from evaluation.folders import export_plain, import_folder, missing_videos, write_entries
from evaluation.manifest import Entry, read_manifest
from evaluation.results import read_content
from evaluation.statistics import pilot
from evaluation.statistics.power import Demand
from evaluation.table import from_json, write_json
from evaluation.vbench import official as package
from evaluation.vbench.interpreter import find_interpreter
from evaluation.vbench.layout import cell_of, export_official, number
from evaluation.vbench.official import Wish
from evaluation.vbench.results import Provenance, read_results, scores, write_submission
from evaluation.vbench.source import find_copy
from evaluation.vbench.suites import prompt_set, read_rewritten, read_suite
from evaluation.vbench.words import own_scores, told_totals

Tell: TypeAlias = Callable[[str], object]
OURS: Final = "reward-forcing/"
"""How the schema of our own results begins."""

SHOWN: Final = 5  # reasons or names of a long list
INSTALLED: Final = Path("installed")
"""Stands for the copy of VBench that is installed here."""


def import_videos(
    folders: Sequence[Path],
    out: Path | None,
    *,
    cell: str,
    prompts: Path | None,
    fps: float | None,
    layout: str,
    vbench: Path | None,
    tell: Tell,
) -> None:
    """Write the manifest of folders of videos, a cell each. Raises ValueError where there is nothing to list."""
    if len(folders) > 1 and (out is None or cell):
        raise ValueError("several folders are several cells in one manifest: give --out, and no --cell")
    suite = read_suite(find_copy(vbench if vbench != INSTALLED else None)) if vbench is not None else None
    entries: list[Entry] = []
    for folder in folders:
        found = import_folder(folder, cell=cell, prompts=prompts, fps=fps, official=layout == "official", suite=suite)
        entries += found.entries
        _tell_some(tell, [f"{video}: left out: {reason}" for video, reason in found.skipped.items()])
        if suite:
            missing = missing_videos(found.entries, suite)
            tell(f"{folder}: VBench looks for {len(missing)} videos that are not there")
            _tell_some(tell, [f"  {name}" for name in missing])
    if not entries:
        raise ValueError(f"{folders[0]}: no video can be used")
    target = out or _manifest_of(folders[0], layout)
    write_entries(target, entries)
    tell(f"{len(entries)} videos, {len({entry.prompt for entry in entries})} prompts: {target}")


def export_videos(
    manifest: Path,
    folder: Path,
    *,
    layout: str,
    cell: str | None,
    vbench: Path | None,
    rewritten: str | None,
    samples: int,
    encode: bool,
    case_sensitive: bool,
    tell: Tell,
) -> None:
    """Write a manifest's videos as a plain folder, or one cell's in VBench's layout. Raises ValueError if it cannot."""
    entries = list(read_manifest(manifest))
    if layout == "plain":
        chosen = entries if cell is None else cell_of(entries, cell)
        tell(f"{len(chosen)} videos: {export_plain(chosen, folder)}")
        return
    named = number(cell_of(entries, cell), _short(vbench, rewritten), samples)
    done = export_official(named, folder, encode=encode, portable=not case_sensitive)
    tell(f"{len(named)} videos in VBench's layout: {folder / 'videos'}; their true seeds: {done}")


def write_prompts(
    out: Path, *, vbench: Path | None, dimensions: Sequence[str], rewritten: str | None, samples: int, tell: Tell
) -> None:
    """Write VBench's prompts for `reward-forcing generate`, every one with all its seeds."""
    chosen = prompt_set(find_copy(vbench), dimensions, rewritten)
    lines = [{"prompt": words, "seed": seed} for words in chosen.texts.values() for seed in range(samples)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    tell(f"{chosen}\n{len(lines)} videos to generate: {out}")


def official(
    manifest: Path,
    out: Path | None,
    *,
    python: str,
    cell: str | None,
    rewritten: str | None,
    dimensions: Sequence[str],
    tell: Tell,
    **how: Any,
) -> None:
    """Score one cell by the official package in another interpreter; `how` are the other fields of `Wish`.

    Raises:
        ValueError: the interpreter lacks the package, the videos cannot be laid out, or no dimension was scored.
    """
    entries = cell_of(read_manifest(manifest), cell)
    wish = Wish(dimensions=tuple(dimensions), **how)
    interpreter = find_interpreter(python)
    tell(f"vbench {interpreter.version}, Python {interpreter.runs}: {interpreter.python}")
    short = _short(interpreter.full_info.parent, rewritten)
    target = out or manifest.parent / "vbench" / entries[0].cell.replace("/", "-")
    outcome = package.score(entries, target, interpreter, wish, short=short, tell=tell)
    if not outcome.results:
        raise ValueError(f"{target}: no dimension was scored; the logs are in {target / 'dimensions'}")
    tell("\n".join(told_totals(str(target / "vbench_eval_results.json"), scores(outcome.results))))


def tell_totals(results: Sequence[Path], *, tell: Tell) -> None:
    """Tell Quality, Semantic and Total of result files: files together are one result, a folder is one of its own.

    Raises:
        ValueError: there is no result, or a file is wrong.
    """
    tables: dict[str, Mapping[str, float]] = {}
    files = []
    for path in results:
        mine = path / "results.json" if path.is_dir() else path
        if (content := _own(mine)) is not None:
            records = [from_json(record) for record in content["videos"]]
            tables |= {f"{mine}, {cell} (our metrics)": table for cell, table in own_scores(records).items()}
        elif path.is_dir():
            tables[str(path)] = scores(read_results([path]))
        else:
            files.append(path)
    if files:
        tables[" ".join(map(str, files))] = scores(read_results(files))
    for title, table in tables.items():
        if not table:
            raise ValueError(f"{title}: no score of a VBench dimension is in it")
        tell("\n".join(told_totals(title, table)))


def submit(
    results: Sequence[Path],
    out: Path,
    *,
    sampled_by: str,
    evaluated_by: str,
    date: str,
    frames: int,
    fps: float,
    height: int,
    width: int,
    prompt_set: str,
    tell: Tell,
) -> None:
    """Pack official results for the leaderboard. Raises ValueError if a dimension is missing."""
    about = Provenance(
        sampled_by=sampled_by,
        evaluated_by=evaluated_by,
        date=date,
        frames=frames,
        fps=fps,
        height=height,
        width=width,
        prompt_set=prompt_set,
    )
    found = read_results(results)
    write_submission(out, found, about)
    tell("\n".join(told_totals(str(out), scores(found))))


def plan(
    results: Path | None,
    *,
    metric: str,
    window: str,
    cells: Sequence[str] | None,
    delta: float,
    power: float,
    alpha: float,
    seeds: int | None,
    prompts: Sequence[int],
    tell: Tell,
    **stated: Any,
) -> None:
    """How many prompts a comparison needs. Raises ValueError where a pilot or a number is not what it must be."""
    said = pilot.plan(
        results,
        metric=metric,
        window=window,
        cells=(cells[0], cells[1]) if cells else None,
        delta=delta,
        demand=Demand(power, alpha),
        seeds=seeds,
        prompts=prompts or pilot.PROMPTS,
        stated=pilot.Stated(**stated),
    )
    tell(said)


def _manifest_of(folder: Path, layout: str) -> Path:
    """Beside the videos; beside the folder where the official package is to see nothing but videos."""
    folder = folder.resolve()
    return folder / "manifest.jsonl" if layout == "plain" else folder.with_name(f"{folder.name}.manifest.jsonl")


def _short(vbench: Path | None, rewritten: str | None) -> dict[str, str]:
    """Short prompts by rewritten ones."""
    known = read_rewritten(find_copy(vbench), rewritten) if rewritten else {}
    return {words: short for short, words in known.items()}


def _own(path: Path) -> dict[str, Any] | None:
    """The content of a file of our own results; nothing if it is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError:
        return None
    ours = isinstance(content, dict) and str(content.get("schema", "")).startswith(OURS)
    return read_content(path, {}) if ours else None


def _tell_some(tell: Tell, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        tell(line)
    if len(lines) > SHOWN:
        tell(f"  and {len(lines) - SHOWN} more")


def doctor(
    manifest: Path | None, *, weights: Sequence[str], device: str, rate: float | None, json: bool, tell: Tell
) -> None:
    """Tell what every metric needs, whether it is there, and what it costs. Raises ValueError for wrong arguments."""
    from evaluation.doctor import as_json, examine, told

    report = examine(manifest, weights, device, rate)
    tell(as_json(report) if json else told(report))


def distance(
    real: Path,
    fake: Path,
    out: Path | None,
    *,
    extractor: str,
    weights: Path | None,
    frames: int,
    stride: int,
    device: str,
    tell: Tell,
) -> None:
    """Tell how far a manifest's cells are from real videos, as sets. Raises ValueError where it cannot be told."""
    from evaluation import distances
    from evaluation.backends.equip import chosen_device
    from evaluation.evaluate import Bar
    from evaluation.extractors import Taking, find_extractor

    taking, on = Taking(frames, stride), chosen_device(device)
    ours, theirs = (read_manifest(path) for path in (real, fake))
    network, name = find_extractor(extractor, weights, taking, on)
    left = iter(range(len(ours) + len(theirs), 0, -1))
    with Bar(len(ours) + len(theirs), {}, shown=True) as bar:
        looking = distances.Looking(network, name, taking, on, lambda video: bar.advance(next(left), video))
        report = distances.compare(ours, theirs, looking)
    tell(distances.told(report))
    if out is not None:
        write_json(out, distances.content(report, real, fake))


ACTIONS: Final[Mapping[str, Callable[..., None]]] = {
    "import": import_videos,
    "export": export_videos,
    "prompts": write_prompts,
    "official": official,
    "totals": tell_totals,
    "submit": submit,
    "plan": plan,
    "doctor": doctor,
    "distance": distance,
}
"""What is called with the arguments of an action, and with `tell`."""
