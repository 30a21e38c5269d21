"""The main job: distil a student, stream videos under three sinks, judge them, write a report.

Every stage leaves what it made in the demo's folder and is skipped where that is complete, so that an interrupted demo
continues.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from reward_forcing import train
from reward_forcing.composition import configuration
from reward_forcing.generate import Request, Teaching, generate
from reward_forcing.streaming import MemoryWish, load_streamer
from reward_forcing.study.prompts import study_prompts

SINKS: Final = ("none", "static", "ema")
TEACHER: Final = "teacher"
REFERENCE: Final = "ema"


@dataclass(frozen=True)
class Scale:
    """How much a demo does.

    Args:
        folder: for everything, unless another is given.
        prompts: videos of each cell.
        frames: of each streamed video.
        overrides: of the training.
        repeats: videos timed for each cell.
        timed_chunks: length of a timed video.
    """

    folder: Path
    prompts: int
    frames: int
    overrides: tuple[str, ...] = ()
    repeats: int = 3
    timed_chunks: int = 20


FULL: Final = Scale(folder=Path("runs/demo"), prompts=24, frames=120)
FAST: Final = Scale(
    folder=Path("runs/demo-fast"),
    prompts=3,
    frames=42,
    overrides=("trainer.max_steps=10", "data.batch_size=2", "callbacks.sample_videos.every=5"),
    repeats=1,
    timed_chunks=6,
)


def main(*, out: Path | None = None, fast: bool = False, seed: int = 0) -> int:
    """Run the demo, or what is left of it; the exit status.

    Raises:
        ValueError: the folder holds a demo with other settings, or the shipped checkpoints are missing.
    """
    scale, console = FAST if fast else FULL, Console()
    out = out or scale.folder
    console.rule("1 of 4: distil a student (EMA-Sink, Re-DMD)")
    overrides = [
        "experiments=toy_distillation",
        "checkpoints=shipped",
        f"run_dir={out}",
        f"seed={seed}",
        "resume=auto",
        *scale.overrides,
    ]
    (job,) = train.plan(overrides)
    outcome = train.run(job.config)
    if outcome.state == "stopped":
        console.print("Stopped; the same command continues.")
        return 130
    console.rule(
        f"2 of 4: stream {scale.frames} frames for {scale.prompts} prompts under each sink, from the same noise"
    )
    teacher = Path(str(configuration.plain(job.config)["checkpoints"]["teacher"]))
    stream_videos(out, teacher, scale, seed)
    console.rule("3 of 4: judge the videos against the truth")
    judge(out, teacher, scale, seed)
    console.rule("4 of 4: report")
    report(out, console)
    return 0


def stream_videos(out: Path, teacher: Path, scale: Scale, seed: int) -> None:
    """The student's videos under each sink, and the teacher's clips of the same prompts; what is there is kept."""
    request = Request(prompts=study_prompts(scale.prompts), seeds=(seed,), frames=scale.frames)
    for sink in SINKS:
        if not is_complete(out, sink, scale.prompts):
            generate(out / "student.safetensors", out, request, wishes=[MemoryWish(sink=sink)])
    if not is_complete(out, TEACHER, scale.prompts):
        generate(teacher, out, request, teaching=Teaching())


def is_complete(out: Path, cell: str, videos: int) -> bool:
    """Whether the manifest lists all videos of a cell; a cell is listed when its last video is written."""
    manifest = out / "manifest.jsonl"
    lines = manifest.read_text(encoding="utf-8").splitlines() if manifest.is_file() else []
    listed = [entry for entry in map(json.loads, lines) if entry["cell"] == cell]
    return len(listed) == videos and all((out / entry["video"]).is_file() for entry in listed)


def judge(out: Path, teacher: Path, scale: Scale, seed: int) -> None:
    """Scores of all videos, and the speed of each way to make them, measured in turns."""
    from evaluation.evaluate import evaluate
    from evaluation.speed.cells import student_cell, teacher_cell
    from evaluation.speed.harness import Instruments, measure
    from evaluation.speed.writing import write_speeds

    evaluate(out / "manifest.jsonl", out, reference=REFERENCE)
    if (out / "speed.json").is_file():
        return
    prompt = study_prompts(1)[0]
    makers = {sink: load_streamer(out / "student.safetensors", wish=MemoryWish(sink=sink)) for sink in SINKS}
    read, chunks = Instruments(), scale.timed_chunks
    cells = [
        student_cell(sink, maker, read.watch, prompt=prompt, seed=seed, chunks=chunks, analyse=False)
        for sink, maker in makers.items()
    ]
    master = load_streamer(teacher)
    cells.append(teacher_cell(TEACHER, master, read.watch, prompt=prompt, seed=seed, teaching=Teaching()))
    with Console().status("Timing the streams"):
        speeds = measure(cells, playback=makers[REFERENCE].fps, repeats=scale.repeats, read=read)
    write_speeds(out / "speed.json", speeds, {"batch": 1, "command": "reward-forcing demo"})


def report(out: Path, console: Console) -> None:
    """The page, a table in the terminal, and where to go from here."""
    from evaluation.report.page import write_report
    from evaluation.report.terminal import print_table

    page = write_report(out / "results.json", speed=out / "speed.json", title="One student, three memories")
    print_table(out / "results.json")
    example = study_prompts(2)
    console.print(f"\nReport: {page}\nVideos: {out / 'videos'}\nCurves: tensorboard --logdir {out}\n\nTry next:")
    for command in (
        f'reward-forcing generate {out}/student.safetensors --prompts "{example[0]}" --frames inf',
        f'reward-forcing generate {out}/student.safetensors --prompts "{example[0]}" --switch 60:"{example[1]}"',
        "reward-forcing train loss=dmd run_dir=runs/dmd",
        "reward-forcing train -m sink=none,static,ema loss=dmd,re_dmd",
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
