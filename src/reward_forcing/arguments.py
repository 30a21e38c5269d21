"""The subcommands of `reward-forcing` and their arguments. Nothing slow is imported here."""

import argparse
from pathlib import Path

from reward_forcing.benchmark_arguments import add_benchmark
from reward_forcing.data_arguments import add_data, add_engine, add_overrides, number
from reward_forcing.evaluation_arguments import add_evaluation

COMMANDS = {
    "demo": "distil, stream and judge a video on this machine, in minutes; start here",
    "study": "answer a question: train, stream and judge all cells of an experiment, and write what was found",
    "train": "train a codec, a teacher or a student, or distil one (Hydra overrides)",
    "generate": "stream videos from an exported student, as long as you like",
    "evaluate": "score videos listed in a manifest",
    "benchmark": "time streams: frames a second, latency, memory, share of what the machine could do",
    "report": "write one HTML page about scored videos",
    "evaluation": "bring videos in and out, run the official VBench, compute its totals",
    "data": "make, import and inspect shards; encode prompts; sample a teacher",
    "convert": "weights from one layout to another",
}


def parser() -> argparse.ArgumentParser:
    """All subcommands but `train` and `study`, which take Hydra's overrides anywhere and parse for themselves."""
    top = argparse.ArgumentParser(
        "reward-forcing",
        description="Streaming video distillation: EMA-Sink and Re-DMD.",
        epilog="`reward-forcing COMMAND --help` says more about each, with examples.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    makers = {
        "demo": _demo,
        "generate": _generate,
        "evaluate": _evaluate,
        "benchmark": add_benchmark,
        "report": _report,
        "evaluation": add_evaluation,
        "data": add_data,
        "convert": _convert,
    }
    for name, told in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=told,
            description=f"{told.capitalize()}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in makers:
            makers[name](command)
    return top


def _demo(command: argparse.ArgumentParser) -> None:
    command.epilog = "examples:\n  reward-forcing demo\n  reward-forcing demo --fast --out runs/look"
    told = "folder for everything (default: runs/demo, or runs/demo-fast)"
    command.add_argument("--out", type=Path, help=told)
    command.add_argument("--fast", action="store_true", help="a shorter one, to see that everything works")
    command.add_argument("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")


def _generate(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing generate student.safetensors --prompts "red circle fast pan-slow" --out runs/look
  reward-forcing generate student.safetensors --prompts prompts.txt --seeds 0 1 2 --frames 240
  reward-forcing generate student.safetensors --prompts "red circle fast pan-slow" --sink none static ema
  reward-forcing generate student.safetensors --prompts "red circle any plain" --switch 60:"blue cross slow plain"
  reward-forcing generate student.safetensors --prompts "red circle any pan-any" --frames inf    (until Ctrl-C)
  reward-forcing generate teacher.safetensors --teacher --prompts "red circle fast pan-slow"
  reward-forcing generate rewardforcing.pt --prompts prompts.txt --seconds 60 --set checkpoints.folder=/data/wan"""
    add = command.add_argument
    add("export", help="what `reward-forcing train` exported; or weights of Wan2.1: a folder, .pt file or hub id")
    add(
        "--prompts",
        nargs="+",
        required=True,
        metavar="TEXT|FILE",
        help="prompts, text files with one a line, or .jsonl files with seeds and schedules of their own",
    )
    add(
        "--out",
        type=Path,
        default=Path("runs/generated"),
        help="gets videos/ and manifest.jsonl (default: %(default)s)",
    )
    add("--frames", type=_frames, default=120, help="length in video frames, or inf (default: %(default)s)")
    add("--seconds", type=number, help="length in seconds, instead of --frames")
    add("--seeds", type=int, nargs="+", default=[0], help="each prompt is generated once with each (default: 0)")
    add("--cell", default="", help="what the videos are compared as (default: the sink)")
    add("--start", type=Path, metavar="CLIP|IMAGE", help="continue this")
    add("--batch", type=int, default=8, help="videos at a time (default: %(default)s)")
    add("--fps", type=number, default=0, help="video frames a second when played (default: as the network notes)")
    add("--scale", type=int, default=4, help="enlargement of small videos' previews (default: %(default)s)")
    add("--format", choices=["mkv", "mp4"], help="lossless or small (default: mkv up to 128 rows, mp4 above)")
    _remembering(command.add_argument_group("memory"))
    _equipment(command.add_argument_group("equipment"))
    add = command.add_argument_group("a teacher").add_argument
    add("--teacher", action="store_true", help="sample whole clips of a teacher instead of streaming")
    add("--steps", type=int, default=20, help="of the teacher (default: %(default)s)")
    add("--guidance-scale", type=number, default=1.5, help="of the teacher; 1: none (default: %(default)s)")
    add("--shift", type=number, default=3.0, help="of the teacher's noise levels (default: %(default)s)")


def _remembering(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--sink",
        nargs="+",
        default=[None],
        help="none, static, ema: ways to remember, one set of videos each (default: as trained)",
    )
    add("--decay", type=number, help="of an averaging sink (default: as trained)")
    add("--window", type=int, help="frames attended at once, sink and chunk included (default: as trained)")
    add(
        "--switch",
        type=_switch,
        action="append",
        default=[],
        metavar="FRAME:PROMPT|SECONDSs:PROMPT",
        help="another prompt from there on",
    )
    add(
        "--on-switch",
        default="cross_only",
        choices=["cross_only", "recache", "reset"],
        help="the memory then: stays, is made again under the new prompt, is lost (default: %(default)s)",
    )


def _equipment(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--codec", type=Path, help="file of the codec (default: the one the export belongs to)")
    add("--dtype", choices=["float32", "bfloat16"], help="of the network (default: bfloat16 for large ones on a GPU)")
    add_engine(group)
    add_overrides(group, "codec=tiny_wan, checkpoints.folder=DIR, geometry.height=44, ...")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute (default: %(default)s)")


def _convert(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing convert rewardforcing.pt student.safetensors
  reward-forcing convert Wan-AI/Wan2.1-T2V-1.3B-Diffusers:transformer wan --layout official
  reward-forcing convert runs/mine/student.safetensors student-diffusers --layout diffusers --dtype bfloat16"""
    add = command.add_argument
    add("source", help="an export, a Wan folder, a diffusers folder, a .pt container, a .ckpt of a run, or a hub id")
    add("target", type=Path, help="file (ours) or folder (official, diffusers) to write")
    add("--layout", default="ours", choices=["ours", "official", "diffusers"], help="(default: %(default)s)")
    add("--which", metavar="KEY", help="of a container or run: generator_ema, generator, student, fake_score, ...")
    add("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"], help="(default: %(default)s)")
    add("--heads", type=int, help="attention heads, where a head is not 128 wide and no config tells")


def _evaluate(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing evaluate runs/generated/manifest.jsonl
  reward-forcing evaluate runs/generated/manifest.jsonl --reference static --metrics net_displacement palette_drift"""
    add = command.add_argument
    add("manifest", type=Path, help="the list of videos that `reward-forcing generate` writes")
    add("--out", type=Path, help="folder for the scores (default: the manifest's)")
    add("--reference", metavar="CELL", help="what the others are compared with (default: the manifest's first cell)")
    add("--metrics", nargs="+", metavar="NAME", help="which to take (default: all)")
    add("--no-baselines", action="store_true", help="leave out the truth, frozen, shuffled, looped and noise")
    add = command.add_argument_group("networks that look at videos").add_argument
    told = "a folder of weights (default: checkpoints/evaluation), and single files; `evaluation doctor` lists them"
    add("--weights", nargs="+", default=[], metavar="FOLDER|KEY=FILE", help=told)
    add("--device", default="auto", help="where they run: auto, cpu, cuda, ... (default: %(default)s)")
    add("--download", action="store_true", help="fetch weights that are not on this machine")
    told = "marks videos: a folder of a vision-language model of transformers, or package.module:function"
    add("--judge", metavar="FOLDER|MODULE:FUNCTION", help=told)
    told = "the part it marks, below zero: from the end; --judge-seconds=55:60 (default: %(default)s)"
    add("--judge-seconds", default="-5:", metavar="START:STOP", help=told)


def _report(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing report runs/generated --reference static
  reward-forcing report runs/monday runs/tuesday --out both.html      (cells of both, side by side)
  reward-forcing report runs/generated --tensorboard runs/tensorboard"""
    add = command.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="results.json, or the folder it is in; several become one")
    add("--out", type=Path, help="the page (default: report.html beside the results, or in the folder of all of them)")
    add("--reference", metavar="CELL", help="what the others are compared with (default: as evaluated)")
    add("--speed", type=Path, help="speed.json (default: those beside the results, where there are any)")
    add("--title", default="Streaming videos compared", help="of the page (default: %(default)s)")
    told = "two words of the videos' metadata, such as sink loss: what each does, and whether one changes the other"
    add("--factors", nargs=2, metavar=("FIRST", "SECOND"), help=told)
    told = "a difference that does not matter, such as shape_accuracy=0.05 or palette_drift:late=0.01"
    add("--margin", type=_margin, action="append", default=[], metavar="METRIC[:WINDOW]=SIZE", help=told)
    add("--tensorboard", type=Path, metavar="FOLDER", help="write curves, settings and samples for TensorBoard, too")


def _frames(text: str) -> int | None:
    """`inf`: until Ctrl-C."""
    if text != "inf" and not text.lstrip("-").isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; write a number of video frames, or inf")
    return None if text == "inf" else int(text)


def _margin(text: str) -> tuple[tuple[str, str], float]:
    """`METRIC=SIZE` of whole videos, `METRIC:WINDOW=SIZE` of a part."""
    name, _, size = text.partition("=")
    metric, _, window = name.partition(":")
    try:
        margin = float(size)
    except ValueError:
        margin = 0.0
    if not metric or not margin > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; write METRIC=SIZE, for instance shape_accuracy=0.05")
    return (metric, window or "all"), margin


def _switch(text: str) -> tuple[int | float, str]:
    """`60:PROMPT`: from latent frame 60 on; `5s:PROMPT`: from second 5 on."""
    place, colon, prompt = text.partition(":")
    seconds = place.removesuffix("s")
    try:
        at = float(seconds) if place.endswith("s") else int(place)
    except ValueError:
        at = -1
    if not colon or not prompt.strip() or at < 0:
        raise argparse.ArgumentTypeError(f"{text!r}; write FRAME:PROMPT or SECONDSs:PROMPT, for instance 5s:a red fox")
    return at, prompt.strip()
