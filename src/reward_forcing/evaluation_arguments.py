"""The arguments of `reward-forcing evaluation`. Nothing slow is imported here.

An action's arguments have the names of its function's in `evaluation.commands`.
"""

import argparse
from pathlib import Path

from reward_forcing.data_arguments import number

LAYOUTS = ("plain", "official")


def add_evaluation(command: argparse.ArgumentParser) -> None:
    """The actions of `reward-forcing evaluation`."""
    command.epilog = """examples:
  reward-forcing evaluation import clips_of_another_system --cell theirs
  reward-forcing evaluation import mine theirs --out both.jsonl
  reward-forcing evaluation import sampled/videos --layout official --vbench VBench
  reward-forcing evaluation prompts vbench.jsonl --vbench VBench --rewritten all_dimension_aug_wanx_seed42
  reward-forcing evaluation export runs/generated/manifest.jsonl out --layout official --cell ema
  reward-forcing evaluation official runs/generated/manifest.jsonl --python ~/vbench/bin/python --cell ema
  reward-forcing evaluation totals runs/generated/vbench/ema
  reward-forcing evaluation doctor runs/generated/manifest.jsonl --weights /data/weights
  reward-forcing evaluation distance real/manifest.jsonl runs/generated/manifest.jsonl --extractor random
  reward-forcing evaluation plan runs/pilot/results.json --metric net_displacement --delta 0.05
  reward-forcing evaluation plan --proportion 0.66 --correlation 0.5 --delta 0.05"""
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    _import(actions.add_parser("import", help="write the manifest of a folder of videos, whoever made them"))
    _export(actions.add_parser("export", help="write a manifest's videos to a folder, plain or in VBench's layout"))
    _prompts(actions.add_parser("prompts", help="write VBench's prompts for `reward-forcing generate`"))
    _official(actions.add_parser("official", help="score by the official VBench package, in an interpreter of its own"))
    _totals(actions.add_parser("totals", help="Quality, Semantic and Total of VBench's result files, or of ours"))
    _submit(actions.add_parser("submit", help="pack official results for VBench's leaderboard"))
    _doctor(actions.add_parser("doctor", help="what every metric needs, whether it is there, and what it would cost"))
    _plan(actions.add_parser("plan", help="how many prompts a comparison needs, and what so many can show"))
    _distance(actions.add_parser("distance", help="Fréchet and kernel distances between videos and real ones, as sets"))


def _import(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("folders", type=Path, nargs="+", metavar="FOLDER", help="of videos; several are several cells")
    add("--out", type=Path, help="the manifest (default: in the folder, or beside it with --layout official)")
    add("--cell", default="", help="what the videos are compared as (default: the folder's name)")
    add("--prompts", type=Path, metavar="FILE", help="a line a video in natural order, or JSON {file: prompt}")
    add("--fps", type=number, help="frames a second that viewers see (default: as the files say)")
    _layout(action)
    add(
        "--vbench",
        type=Path,
        nargs="?",
        const=Path("installed"),
        metavar="PATH",
        help="note what VBench scores each video on, from this copy of it (without PATH: the installed one)",
    )


def _export(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("manifest", type=Path, help="the list of videos")
    add("folder", type=Path, help="to write into")
    _layout(action)
    add("--cell", help="write this cell only (VBench's layout holds one)")
    _copy(action)
    _laying_out(action)
    add("--case-sensitive", action="store_true", help="allow names that differ only in case")


def _prompts(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("out", type=Path, help="file to write, .jsonl")
    _copy(action)
    add("--dimensions", nargs="+", default=[], metavar="NAME", help="prompts of these (default: all)")
    add("--rewritten", metavar="LIST", help="rewritten prompts: a file, or a list of the copy")
    add("--samples", type=int, default=5, help="videos of a prompt (default: %(default)s)")


def _official(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("manifest", type=Path, help="the list of videos")
    add("--python", required=True, help="the interpreter that has vbench")
    add("--out", type=Path, help="folder for videos, logs and results (default: vbench/CELL beside the manifest)")
    add("--cell", help="which videos; needed where there are several cells")
    add("--dimensions", nargs="+", default=[], metavar="NAME", help="which to score (default: all)")
    add(
        "--mode",
        default="standard",
        choices=["standard", "custom"],
        help="VBench's own prompts, or any prompts on six dimensions (default: %(default)s)",
    )
    add("--device", default="cuda", help="where to compute (default: %(default)s)")
    add("--timeout", type=number, dest="seconds", metavar="SECONDS", help="for one dimension (default: none)")
    add("--local", action="store_true", help="never download weights: all are in ~/.cache/vbench")
    _laying_out(action)


def _totals(action: argparse.ArgumentParser) -> None:
    told = "files of one result, or folders of a result each; also results.json of `reward-forcing evaluate`"
    action.add_argument("results", type=Path, nargs="+", help=told)


def _submit(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("results", type=Path, nargs="+", help="official result files, all sixteen dimensions")
    add("--out", type=Path, required=True, help="the .zip file")
    add("--sampled-by", required=True, help="who made the videos")
    add("--evaluated-by", required=True, help="who scored them")
    add("--date", required=True, help="when, for instance 2026-11-26")
    add("--frames", type=int, required=True, help="of a video")
    add("--fps", type=number, required=True, help="frames a second")
    add("--height", type=int, required=True, help="rows of pixels")
    add("--width", type=int, required=True, help="columns of pixels")
    add("--prompt-set", required=True, help="name and digest, as `evaluation prompts` tells them")


def _doctor(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("manifest", type=Path, nargs="?", help="of the videos whose cost is wanted (default: one of 81 frames, 480p)")
    told = "a folder of weights (default: checkpoints/evaluation), and single files"
    add("--weights", nargs="+", default=[], metavar="FOLDER|KEY=FILE", help=told)
    add("--device", default="auto", help="where networks would run (default: %(default)s)")
    add("--rate", type=number, metavar="TFLOPS", help="what it reaches a second (default: measured, an upper bound)")
    add("--json", action="store_true", help="for programs")


def _plan(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    told = "of a pilot: results.json, or the folder it is in; without it, --sd or --proportion"
    add("results", type=Path, nargs="?", help=told)
    add("--metric", default="", metavar="NAME", help="which of the pilot's metrics")
    add("--window", default="all", help="part of the video or kind of drift: clip, late, drift_std, ... (default: all)")
    add(
        "--cells",
        nargs=2,
        metavar=("CELL", "REFERENCE"),
        help="of the pilot (default: the first other one, and the reference)",
    )
    add("--delta", type=number, required=True, help="the smallest difference that matters, in the metric's units")
    add("--power", type=number, default=0.8, help="how likely it is to be found (default: %(default)s)")
    add("--alpha", type=number, default=0.05, help="how likely one is found where there is none (default: %(default)s)")
    add("--seeds", type=int, help="videos of a prompt in every cell (default: as in the pilot, or 1)")
    add("--prompts", type=int, nargs="+", default=(), metavar="N", help="rows of the table")
    add = action.add_argument_group("known without a pilot").add_argument
    add("--sd", type=number, help="standard deviation of scores between videos")
    add("--proportion", type=number, help="share of videos with a flag, for metrics that are 0 or 1")
    add("--correlation", type=number, default=0.0, help="between paired videos of two cells (default: %(default)s)")
    add(
        "--seed-correlation",
        type=number,
        help="between differences of a prompt's seeds (default: as in the pilot, or 1)",
    )


def _distance(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("real", type=Path, help="manifest of real videos, or of those that others should be like")
    add("fake", type=Path, help="manifest of the videos to judge; every cell is compared")
    add("--out", type=Path, help="write the numbers as JSON, too")
    told = "random, toy (neither is FVD), i3d, videomae, or package.module:function (default: %(default)s)"
    add("--extractor", default="random", metavar="NAME|MODULE:FUNCTION", help=told)
    add("--weights", type=Path, metavar="PATH", help="I3D's TorchScript file, which is run; VideoMAE's folder")
    add("--frames", type=int, default=16, help="of every video (default: %(default)s)")
    add("--stride", type=int, default=1, help="frames from one to the next (default: %(default)s)")
    add("--device", default="auto", help="where to compute (default: %(default)s)")


def _layout(action: argparse.ArgumentParser) -> None:
    told = "official: VBench's names, PROMPT-SAMPLE.mp4 (default: %(default)s)"
    action.add_argument("--layout", default="plain", choices=LAYOUTS, help=told)


def _copy(action: argparse.ArgumentParser) -> None:
    told = "a copy of VBench: a clone, the .whl file, a folder that holds vbench/ (default: the installed one)"
    action.add_argument("--vbench", type=Path, metavar="PATH", help=told)


def _laying_out(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("--rewritten", metavar="LIST", help="the list that prompts were rewritten by; names take the short ones")
    add("--samples", type=int, default=5, help="videos of a prompt that are looked for (default: %(default)s)")
    add("--encode", action="store_true", help="encode what is no MP4 again; costs a little quality")
