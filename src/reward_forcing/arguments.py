"""The subcommands of `reward-forcing` and their arguments. Nothing slow is imported here."""

import argparse
from pathlib import Path

COMMANDS = {
    "demo": "distil, stream and judge a video on this machine, in minutes; start here",
    "train": "train a codec, a teacher or a student, or distil one (Hydra overrides)",
    "generate": "stream videos from an exported student, as long as you like",
    "evaluate": "score videos listed in a manifest",
    "report": "write one HTML page about scored videos",
    "data": "make, encode and inspect shards; encode prompts",
    "convert": "weights from one layout to another",
}


def parser() -> argparse.ArgumentParser:
    """All subcommands but `train`, whose arguments are Hydra's."""
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
        "report": _report,
        "data": _data,
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
    command.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for everything (default: %(default)s)"
    )
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
    add("--seconds", type=float, help="length in seconds, instead of --frames")
    add("--seeds", type=int, nargs="+", default=[0], help="each prompt is generated once with each (default: 0)")
    add("--cell", default="", help="what the videos are compared as (default: the sink)")
    add("--start", type=Path, metavar="CLIP|IMAGE", help="continue this")
    add("--batch", type=int, default=8, help="videos at a time (default: %(default)s)")
    add("--fps", type=float, default=0, help="video frames a second when played (default: as the network notes)")
    add("--scale", type=int, default=4, help="enlargement of small videos' previews (default: %(default)s)")
    add("--format", choices=["mkv", "mp4"], help="lossless or small (default: mkv up to 128 rows, mp4 above)")
    _remembering(command.add_argument_group("memory"))
    _equipment(command.add_argument_group("equipment"))
    add = command.add_argument_group("a teacher").add_argument
    add("--teacher", action="store_true", help="sample whole clips of a teacher instead of streaming")
    add("--steps", type=int, default=20, help="of the teacher (default: %(default)s)")
    add("--guidance-scale", type=float, default=1.5, help="of the teacher; 1: none (default: %(default)s)")
    add("--shift", type=float, default=3.0, help="of the teacher's noise levels (default: %(default)s)")


def _remembering(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
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
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="any key of configs/stream.yaml: codec=tiny_wan, checkpoints.folder=DIR, geometry.height=44, ...",
    )
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
    add("--no-baselines", action="store_true", help="leave out the truth and the frozen first frame")


def _report(command: argparse.ArgumentParser) -> None:
    command.epilog = "examples:\n  reward-forcing report runs/generated/metrics.json --reference static"
    add = command.add_argument
    add("metrics", type=Path, help="metrics.json, or the folder it is in")
    add("--out", type=Path, help="the page (default: report.html beside the metrics)")
    add("--reference", metavar="CELL", help="what the others are compared with (default: as evaluated)")
    add("--speed", type=Path, help="speed.json (default: the one beside the metrics, if there is one)")
    add("--title", default="Streaming videos compared", help="of the page (default: %(default)s)")


def _data(command: argparse.ArgumentParser) -> None:
    command.epilog = """examples:
  reward-forcing data make data/mine --clips 256 --frames 21 --seed 0
  reward-forcing data encode data/mine data/latents --codec checkpoints/toy/codec.safetensors
  reward-forcing data pairs checkpoints/toy/teacher.safetensors data/pairs --prompts prompts.txt
  reward-forcing data inspect data/mine --picture clips.png --verify"""
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="render a toy world into shards; an interrupted run continues")
    make.add_argument("folder", type=Path, help="to write into")
    make.add_argument("--clips", type=int, default=256, help="how many (default: %(default)s)")
    make.add_argument("--frames", type=int, default=21, help="length of each (default: %(default)s)")
    make.add_argument("--seed", type=int, default=0, help="of the scenes (default: %(default)s)")
    make.add_argument(
        "--plain-fraction", type=float, default=0.3, help="share from the easy world (default: %(default)s)"
    )
    make.add_argument("--codec", type=Path, help="store latents of this codec, too")
    make.add_argument("--no-pixels", action="store_true", help="do not store the pixels")
    encode = actions.add_parser("encode", help="turn shards with pixels into shards with latents")
    encode.add_argument("source", type=Path, help="folder of shards with pixels")
    encode.add_argument("folder", type=Path, help="to write into")
    encode.add_argument("--codec", type=Path, required=True, help="file of the codec")
    encode.add_argument("--keep-pixels", action="store_true", help="copy the pixels, too")
    inspect = actions.add_parser("inspect", help="what a folder of shards holds")
    inspect.add_argument("folder", type=Path, help="of the shards")
    inspect.add_argument("--picture", type=Path, help="PNG to write, one clip a row")
    inspect.add_argument("--clips", type=int, default=8, help="rows of the picture (default: %(default)s)")
    inspect.add_argument("--verify", action="store_true", help="compare every shard with its checksum")
    _data_embed(actions.add_parser("embed", help="encode prompts into the cache; an interrupted run continues"))
    _data_pairs(actions.add_parser("pairs", help="sample a teacher's trajectories into shards, for ODE regression"))


def _data_embed(embed: argparse.ArgumentParser) -> None:
    add = embed.add_argument
    add("prompts", nargs="+", metavar="TEXT|FILE", help="prompts, files with one a line, or .jsonl files of schedules")
    add("--text", type=Path, help="the encoder: Wan's models_t5_umt5-xxl-enc-bf16.pth or a folder of transformers")
    add("--tokenizer", type=Path, help="folder of its tokenizer")
    add("--out", type=Path, help="folder of the cache")
    add("--batch", type=int, help="prompts encoded together (default: 8)")
    add("--device", choices=["auto", "cpu", "cuda"], help="where to compute (default: auto)")
    add("--dtype", choices=["float32", "bfloat16"], help="to compute in (default: bfloat16)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="any other key of configs/stream.yaml: checkpoints.folder=DIR, text.negative=..., ...",
    )


def _data_pairs(pairs: argparse.ArgumentParser) -> None:
    pairs.add_argument("teacher", type=Path, help="an exported teacher")
    pairs.add_argument("folder", type=Path, help="to write into")
    pairs.add_argument(
        "--prompts", nargs="+", required=True, metavar="TEXT|FILE", help="prompts, or files with one a line"
    )
    pairs.add_argument("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    pairs.add_argument("--steps", type=int, default=48, help="Euler steps (default: %(default)s)")
    pairs.add_argument(
        "--levels", type=int, default=4, help="stored states besides the clean one (default: %(default)s)"
    )
    pairs.add_argument("--guidance-scale", type=float, default=1.5, help="1: none (default: %(default)s)")
    pairs.add_argument("--shift", type=float, default=8.0, help="of the noise levels (default: %(default)s)")
    pairs.add_argument("--batch", type=int, default=16, help="trajectories at a time (default: %(default)s)")


def _frames(text: str) -> int | None:
    return None if text == "inf" else int(text)


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
