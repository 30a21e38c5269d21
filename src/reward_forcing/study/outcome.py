"""The end of a study: cells to films, scores to findings, findings to files."""

import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from evaluation.baselines import TRUTH, truth
from evaluation.provenance import versions
from evaluation.report.page import write_report
from evaluation.report.points import Panel, points, strips
from evaluation.report.reading import Results, read_results
from evaluation.summary import Estimate
from evaluation.table import atomically, number, write_json
from reward_forcing.composition import configuration
from reward_forcing.generate import Teaching
from reward_forcing.run_folder import RunFolder
from reward_forcing.study.analysis import SCHEMA, TEACHER, found
from reward_forcing.study.costs import runs
from reward_forcing.study.filming import Film
from reward_forcing.study.planning import Plan, Student
from reward_forcing.study.prompts import study_prompts
from reward_forcing.study.writing import heading, joined, page
from reward_forcing.sweeps.launchers import cores
from reward_forcing.videos import Clip, read_clip

ORDER: Final = ("verdicts", "effects", "costs")
"""What is said at the end."""


def films_of(plan: Plan) -> list[Film]:
    """The videos of every cell, and a teacher's clips of the same prompts; the reference first."""
    prompts = tuple(study_prompts(plan.prompts))
    cells = [
        Film(
            cell=cell.name,
            folder=plan.folder / "cells" / folder_name(cell.name),
            exports={student.seed: student.export for student in cell.students},
            prompts=prompts,
            frames=plan.frames,
            stream=cell.stream,
            levels={factor: cell.levels[axis] for factor, axis in plan.study.factors.items()},
            baselines=cell.name == plan.study.reference,
        )
        for cell in plan.cells
    ]
    teacher = Path(str(configuration.plain(plan.students[0].job.config)["checkpoints"]["teacher"]))
    seeds = dict.fromkeys(student.seed for student in plan.students)
    folder = plan.folder / "cells" / TEACHER
    clips = Film(TEACHER, folder, dict.fromkeys(seeds, teacher), prompts, plan.frames, teaching=Teaching())
    return [*sorted(cells, key=lambda one: not one.baselines), clips]


def folder_name(cell: str) -> str:
    """A name for the folder of a cell."""
    return re.sub(r"[^A-Za-z0-9_.=-]+", "-", cell)


def conclude(plan: Plan, judged: Sequence[Path], kept: Path) -> str:
    """Write the report into the run's folder and the findings into another one; what is said at the end."""
    study, results = plan.study, read_results(list(judged), plan.study.reference)
    findings = found(study, results)
    factors = tuple(study.factors)
    write_report(
        list(judged),
        plan.folder / "report.html",
        title=study.question,
        factors=(factors[0], factors[1]) if findings["effects"] else None,
        margins=study.equivalence,
    )
    content = {**about(plan), "videos": videos_of(results), **findings}
    write_json(kept / f"{plan.name}.json", content)
    write_text(kept / f"{plan.name}.md", page(content))
    write_bytes(kept / f"{plan.name}.png", points(panels(content)))
    write_bytes(kept / f"{plan.name}_videos.png", filmstrips(plan, results))
    return joined(content, ORDER)


def about(plan: Plan) -> dict[str, Any]:
    """How the numbers came about, in all runs together."""
    done = runs(plan.folder)
    trained = {digest for one in done for digest in one.trained}
    words = [*plan.overrides, *(["--fast"] if plan.scale.suffix else [])]
    seeds = sorted({student.seed for student in plan.students})
    return {
        "schema": SCHEMA,
        "name": plan.name,
        "question": plan.study.question,
        "command": " ".join(["reward-forcing study", plan.name, *words]),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "machine": {"cpu": cpu(), "cores": cores()},
        "jobs": max(one.jobs for one in done),
        "seconds": round(sum(one.seconds for one in done), 1),
        "prompts": plan.prompts,
        "frames": plan.frames,
        "seeds": seeds,
        "unit": f"{plan.prompts} prompts" + (f" and {len(seeds)} training seeds" if len(seeds) > 1 else ""),
        "students": [cost(student, reused=student.digest not in trained) for student in plan.students],
    }


def cost(student: Student, *, reused: bool) -> dict[str, Any]:
    """What the training of a student took."""
    folder = RunFolder(student.job.folder)
    noted = folder.noted(folder.summary)
    return {
        "name": student.job.label,
        "config": student.digest,
        "reused": reused,
        "steps": noted["steps"],
        "seconds": noted["seconds"],
        "threads": noted["threads"],
        "planned_flops": noted["planned_flops"],
        "peak_memory_gib": noted["peak_memory_gib"],
        "device": noted["device"],
    }


def videos_of(results: Results) -> int:
    """How many videos were made for a study."""
    return sum(not record.baseline for record in results.records)


def panels(content: Mapping[str, Any]) -> list[Panel]:
    """The headlines as panels of a picture, the truth as a line."""
    values = {
        (e["cell"], e["metric"], e["window"]): Estimate(
            number(e["mean"]), number(e["low"]), number(e["high"]), e["videos"]
        )
        for e in content["estimates"]
    }
    drawn = []
    for column in (column for column in content["columns"] if column["headline"]):
        title, _, small = heading(column).partition(" (")
        key = (column["metric"], column["window"])
        marks = {name: values[name, *key].mean for name in (TRUTH,) if (name, *key) in values}
        drawn.append(Panel(title, small.rstrip(")"), {cell: values[cell, *key] for cell in content["cells"]}, marks))
    return drawn


def filmstrips(plan: Plan, results: Results) -> bytes:
    """The first prompt and seed of the study under every cell, and the truth."""
    reference = next(r for r in results.records if r.cell == plan.study.reference)
    same = [r for r in results.records if (r.prompt, r.seed) == (reference.prompt, reference.seed) and r.video]
    shown = {r.cell: Clip(read_clip(results.folder / r.video).frames, r.fps) for r in same}
    order = {cell.name: shown[cell.name] for cell in plan.cells if cell.name in shown}
    true = Clip(truth(reference.prompt, reference.seed, plan.frames), reference.fps)
    return strips({**order, TEACHER: shown[TEACHER], TRUTH: true}, f"{reference.prompt}, seed {reference.seed}")


def cpu() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8")) if info.is_file() else None
    return named[1] if named else platform.processor() or platform.machine()


def write_text(path: Path, text: str) -> None:
    """Write a file whole."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole."""
    atomically(path, lambda partial: partial.write_bytes(content))
