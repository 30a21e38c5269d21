"""The arguments of `reward-forcing data`. Nothing slow is imported here."""

import argparse
import math
from pathlib import Path

from reward_forcing.composition.searching import add_config_dir


def add_data(command: argparse.ArgumentParser) -> None:
    """The actions of `reward-forcing data`."""
    command.epilog = """examples:
  reward-forcing data make data/mine --clips 256 --frames 21 --seed 0
  reward-forcing data encode data/mine data/latents --codec checkpoints/toy/codec.safetensors
  reward-forcing data shards my_clips data/clips --codec checkpoints/wan/Wan2.1-T2V-1.3B/Wan2.1_VAE.pth
  reward-forcing data import-lmdb ode_pairs_lmdb data/pairs
  reward-forcing data ode-pairs checkpoints/toy/teacher.safetensors data/pairs --prompts prompts.txt
  reward-forcing data inspect data/mine --picture clips.png --verify"""
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="render a toy world into shards; an interrupted run continues")
    make.add_argument("folder", type=Path, help="to write into")
    make.add_argument("--clips", type=int, default=256, help="how many (default: %(default)s)")
    make.add_argument("--frames", type=int, default=21, help="length of each (default: %(default)s)")
    make.add_argument("--seed", type=int, default=0, help="of the scenes (default: %(default)s)")
    make.add_argument(
        "--plain-fraction", type=number, default=0.3, help="share from the easy world (default: %(default)s)"
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
    _embed(actions.add_parser("embed", help="encode prompts into the cache; an interrupted run continues"))
    _shards(actions.add_parser("shards", help="turn a folder of clips and captions into shards with latents"))
    importer = actions.add_parser("import-lmdb", help="turn latents or trajectories kept in LMDB into shards")
    importer.add_argument("source", type=Path, help="a database, or a folder of databases")
    importer.add_argument("folder", type=Path, help="to write into")
    _ode_pairs(actions.add_parser("ode-pairs", help="sample a teacher's trajectories into shards, for ODE regression"))


def _embed(embed: argparse.ArgumentParser) -> None:
    add = embed.add_argument
    add("prompts", nargs="+", metavar="TEXT|FILE", help="prompts, files with one a line, or .jsonl files of schedules")
    add("--text", type=Path, help="the encoder: Wan's models_t5_umt5-xxl-enc-bf16.pth or a folder of transformers")
    add("--tokenizer", type=Path, help="folder of its tokenizer")
    add("--out", type=Path, help="folder of the cache")
    add("--batch", type=int, help="prompts encoded together (default: 8)")
    add("--device", choices=["auto", "cpu", "cuda"], help="where to compute (default: auto)")
    add("--dtype", choices=["float32", "bfloat16"], help="to compute in (default: bfloat16)")
    add_overrides(embed, "checkpoints.folder=DIR, text.negative=..., ...")


def _shards(shards: argparse.ArgumentParser) -> None:
    shards.epilog = (
        'Captions stand in captions.jsonl of the folder, lines {"file": ..., "caption": ...}, or in a .txt file beside '
        "each clip. Clips that cannot be used are listed in skipped.jsonl. An interrupted run goes on where it stopped."
    )
    add = shards.add_argument
    add("source", type=Path, help="folder of clips, nested as you like")
    add("folder", type=Path, help="to write into")
    add("--codec-option", default="wan", help="of configs/codec: wan, toy, ... (default: %(default)s)")
    add("--codec", type=Path, help="file or folder of the codec (default: as configs/checkpoints/wan.yaml says)")
    add("--frames", type=int, default=81, help="video frames of a clip (default: %(default)s)")
    add("--height", type=int, default=480, help="rows of pixels (default: %(default)s)")
    add("--width", type=int, default=832, help="columns of pixels (default: %(default)s)")
    add(
        "--fps", type=_rate, default=16.0, help="video frames a second, or `all`: the clip's own (default: %(default)s)"
    )
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute (default: %(default)s)")


def _ode_pairs(pairs: argparse.ArgumentParser) -> None:
    add = pairs.add_argument
    add("teacher", help="an exported teacher; or weights of Wan2.1: a folder, .pt file or hub id")
    add("folder", type=Path, help="to write into; an interrupted run continues")
    add("--prompts", nargs="+", required=True, metavar="TEXT|FILE", help="prompts, or files with one a line")
    add("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    add("--steps", type=int, default=48, help="Euler steps (default: %(default)s)")
    add("--levels", type=int, default=4, help="stored states besides the clean one (default: %(default)s)")
    add("--guidance-scale", type=number, help="1: none (default: 6 for Wan, 1.5 for the toy world)")
    add("--shift", type=number, default=8.0, help="of the noise levels (default: %(default)s)")
    add("--batch", type=int, help="trajectories at a time (default: 1 for Wan, 16 for the toy world)")
    add("--dtype", default="float32", choices=["float32", "bfloat16"], help="of the teacher (default: %(default)s)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute (default: %(default)s)")
    add_overrides(pairs, "checkpoints.folder=DIR, checkpoints.embeddings=DIR, ...")


def add_overrides(to: argparse._ActionsContainer, examples: str) -> None:
    """The option `--set`: any key of the config that streaming composes; and folders with options of one's own."""
    told = f"any key of configs/stream.yaml: {examples}"
    to.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help=told)
    add_config_dir(to)


def add_engine(to: argparse._ActionsContainer) -> None:
    """The option `--engine`: one of `configs/engine`; another way to say `--set engine=NAME`."""
    told = "fast, or reference: the plain passes that define what is right (default: fast; equal up to rounding)"
    to.add_argument(
        "--engine", action="append", type="engine={}".format, default=[], dest="overrides", metavar="NAME", help=told
    )


def number(text: str) -> float:
    """A number that is one: `nan` and `inf` are none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r}; write a number")
    return value


def _rate(text: str) -> float | None:
    return None if text == "all" else number(text)
