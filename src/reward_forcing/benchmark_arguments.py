"""The arguments of `reward-forcing benchmark`. Nothing slow is imported here."""

import argparse
from pathlib import Path

from reward_forcing.data_arguments import add_engine, add_overrides, number

SCOPES = ("denoiser", "codec", "end_to_end")


def add_benchmark(command: argparse.ArgumentParser) -> None:
    """All arguments."""
    command.epilog = """examples:
  reward-forcing benchmark
  reward-forcing benchmark student.safetensors --sink none static ema --chunks 40
  reward-forcing benchmark rewardforcing.pt --prompt "a fox runs through snow" --set checkpoints.folder=/data/wan
  reward-forcing benchmark student.safetensors --stream theirs.streaming:start --out runs/against-theirs
  reward-forcing benchmark --against runs/benchmark/speed.json --out runs/benchmark-again"""
    add = command.add_argument
    add("export", nargs="?", help="a student, as for `generate` (default: the shipped one of the toy world)")
    add(
        "--stream",
        nargs="+",
        default=[],
        metavar="PACKAGE.MODULE:FUNCTION",
        help="time these, too: FUNCTION() starts a video and returns an iterator of decoded frames, tensors "
        "[batch, frame, 3, height, width], uint8 or float in [-1, 1]",
    )
    add(
        "--out",
        type=Path,
        default=Path("runs/benchmark"),
        help="gets speed.json, speed.md, charts/ (default: %(default)s)",
    )
    add("--against", type=Path, nargs="+", default=[], metavar="JSON", help="earlier results to put beside")
    add("--force", action="store_true", help="compare what was not measured alike; the differences are told")
    _timing(command.add_argument_group("timing"))
    _student(command.add_argument_group("student"))


def _timing(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--chunks", type=int, default=30, help="of a student's video (default: %(default)s)")
    add("--repeats", type=int, default=3, help="videos of each cell that count (default: %(default)s)")
    add("--warmups", type=int, default=1, help="videos before; the very first is told as cold (default: %(default)s)")
    add(
        "--scope",
        nargs="+",
        default=list(SCOPES),
        choices=SCOPES,
        help="denoising alone; and decoding; and text encoding and the copy to the host (default: all)",
    )
    add("--playback", type=number, help="frames a second when played (default: as the student notes; 16)")
    add("--buffer", type=number, default=0.0, help="seconds a player waits after the first chunk (default: 0)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute (default: %(default)s)")


def _student(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--sink", nargs="+", default=[None], help="none, static, ema: one cell each (default: as trained)")
    add("--decay", type=number, help="of an averaging sink (default: as trained)")
    add("--window", type=int, help="frames attended at once, sink and chunk included (default: as trained)")
    add("--prompt", help="what it shows (default: one of the toy world)")
    add("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    add("--dtype", choices=["float32", "bfloat16"], help="of the network (default: bfloat16 for large ones on a GPU)")
    add("--codec", type=Path, help="file of the codec (default: the one the export belongs to)")
    add_engine(group)
    add_overrides(group, "codec=tiny_wan, checkpoints.folder=DIR, ...")
