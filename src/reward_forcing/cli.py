"""The console command `reward-forcing`. Everything slow to import is imported by the subcommand that needs it."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMANDS = {
    "demo": "distil, stream and judge a video on this machine, in minutes; start here",
    "train": "train a codec, a teacher or a student, or distil one (Hydra overrides)",
    "generate": "stream videos from an exported student, as long as you like",
    "evaluate": "score videos listed in a manifest",
    "report": "write one HTML page about scored videos",
    "data": "make, encode and inspect shards",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit status: 0 done, 1 broken, 2 refused, 130 stopped on request."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        close = difflib.get_close_matches(given[0], COMMANDS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return _refuse(f"there is no command {given[0]!r}; allowed: {', '.join(COMMANDS)}.{hint}")
    try:
        if given[:1] == ["train"]:
            from reward_forcing.train import main as train

            return train(given[1:])
        parsed = parser().parse_args(given)
        if parsed.command is None:
            parser().print_help()
            return 0
        return int(parsed.run(parsed) or 0)
    except ValueError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        return _refuse(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return 130


def _refuse(message: str) -> int:
    sys.stderr.write(f"reward-forcing: {message}\n")
    return 2


def parser() -> argparse.ArgumentParser:
    """All subcommands but `train`, whose arguments are Hydra's."""
    top = argparse.ArgumentParser(
        "reward-forcing",
        description="Streaming video distillation: EMA-Sink and Re-DMD.",
        epilog="`reward-forcing COMMAND --help` says more about each, with examples.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    makers: dict[str, Callable[[argparse.ArgumentParser], None]] = {
        "demo": _demo,
        "train": lambda _: None,
        "generate": _generate,
        "evaluate": _evaluate,
        "report": _report,
        "data": _data,
    }
    for name, make in makers.items():
        command = commands.add_parser(
            name,
            help=COMMANDS[name],
            description=COMMANDS[name].capitalize() + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        make(command)
    return top


def _demo(command: argparse.ArgumentParser) -> None:
    command.epilog = "examples:\n  reward-forcing demo\n  reward-forcing demo --fast --out runs/look"
    command.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for everything (default: %(default)s)"
    )
    command.add_argument("--fast", action="store_true", help="a shorter one, to see that everything works")
    command.add_argument("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
    command.set_defaults(run=_run_demo)


def _run_demo(given: argparse.Namespace) -> Any:
    from reward_forcing import demo

    return demo.main(out=given.out, fast=given.fast, seed=given.seed)


def _generate(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing generate student.safetensors --prompts "red circle fast pan-slow" --out runs/look
  reward-forcing generate student.safetensors --prompts prompts.txt --seeds 0 1 2 --frames 240
  reward-forcing generate student.safetensors --prompts "red circle fast pan-slow" --sink none static ema
  reward-forcing generate student.safetensors --prompts "red circle any plain" --switch 60:"blue cross slow plain"
  reward-forcing generate student.safetensors --prompts "red circle any pan-any" --frames inf    (until Ctrl-C)
  reward-forcing generate teacher.safetensors --teacher --prompts "red circle fast pan-slow" """
    add = command.add_argument
    add("export", type=Path, help="a student (or teacher) that `reward-forcing train` exported")
    add("--prompts", nargs="+", required=True, metavar="TEXT|FILE", help="prompts, or text files with one a line")
    add(
        "--out",
        type=Path,
        default=Path("runs/generated"),
        help="gets videos/ and manifest.jsonl (default: %(default)s)",
    )
    add("--frames", type=_frames, default=120, help="length in video frames, or inf (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0], help="each prompt is generated once with each (default: 0)")
    add(
        "--sink",
        nargs="+",
        default=[None],
        help="none, static, ema: ways to remember, one set of videos each (default: as trained)",
    )
    add("--decay", type=float, help="of an averaging sink (default: as trained)")
    add("--window", type=int, help="frames attended at once, sink and chunk included (default: as trained)")
    add(
        "--switch",
        type=_switch,
        action="append",
        default=[],
        metavar="FRAME:PROMPT",
        help="another prompt from there on",
    )
    add("--start", type=Path, metavar="CLIP|IMAGE", help="continue this")
    add("--batch", type=int, default=8, help="videos at a time (default: %(default)s)")
    add("--fps", type=float, default=8, help="video frames a second when played (default: %(default)s)")
    add("--scale", type=int, default=4, help="enlargement of GIFs and filmstrips (default: %(default)s)")
    add("--codec", type=Path, help="file of the codec (default: the one the export belongs to)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute (default: %(default)s)")
    add("--teacher", action="store_true", help="sample whole clips of a teacher instead of streaming")
    add("--steps", type=int, default=20, help="of the teacher (default: %(default)s)")
    add("--guidance-scale", type=float, default=3.0, help="of the teacher; 1: none (default: %(default)s)")
    add("--shift", type=float, default=3.0, help="of the teacher's noise levels (default: %(default)s)")
    command.set_defaults(run=_run_generate)


def _frames(text: str) -> int | None:
    return None if text == "inf" else int(text)


def _switch(text: str) -> tuple[int, str]:
    frame, colon, prompt = text.partition(":")
    if not colon or not frame.isdigit() or not prompt.strip():
        raise argparse.ArgumentTypeError(f'{text!r}; write FRAME:PROMPT, for instance 60:"blue cross slow pan-fast"')
    return int(frame), prompt.strip()


def _run_generate(given: argparse.Namespace) -> None:
    import torch

    from reward_forcing.generate import Request, Teaching, generate
    from reward_forcing.streaming import MemoryWish
    from reward_forcing.video_folder import Look

    request = Request(
        prompts=read_prompts(given.prompts),
        seeds=given.seeds,
        frames=given.frames,
        batch=given.batch,
        switches=dict(given.switch),
        start=given.start,
        look=Look(given.fps, given.scale),
    )
    device = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
    paces = generate(
        given.export,
        given.out,
        request,
        wishes=[MemoryWish(sink=sink, decay=given.decay, window=given.window) for sink in given.sink],
        teaching=Teaching(given.steps, given.guidance_scale, given.shift) if given.teacher else None,
        codec=given.codec,
        device=device,
    )
    for cell, pace in paces.items():
        print(f"{cell}: first frames after {pace.first:.2f} s, {pace.fps:.1f} frames/s over {pace.frames} frames")
    print(f"videos and manifest: {given.out}")


def read_prompts(given: Sequence[str]) -> list[str]:
    """Prompts as given, and the lines of what is a text file."""
    from reward_forcing.data.prompts import read_prompts as lines_of

    prompts: list[str] = []
    for text in given:
        prompts += lines_of(text) if text.endswith(".txt") or Path(text).is_file() else [text]
    return list(dict.fromkeys(prompts))
