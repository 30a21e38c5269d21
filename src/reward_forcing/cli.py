"""The console command `reward-forcing`. Everything slow to import is imported by the subcommand that needs it."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reward_forcing.arguments import COMMANDS, parser
from reward_forcing.refusals import REFUSED, explained


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit status: 0 done, 1 broken, 2 refused, 130 stopped on request."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        close = difflib.get_close_matches(given[0], COMMANDS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return _say(REFUSED, f"there is no command {given[0]!r}; allowed: {', '.join(COMMANDS)}.{hint}")
    try:
        if given[:1] and given[0] in OWN_PARSERS:
            return OWN_PARSERS[given[0]](given[1:])
        parsed = parser().parse_args(given)
        if parsed.command is None:
            parser().print_help()
            return 0
        run = RUN[parsed.command]
        return int(run(parsed) or 0)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return 130
    except Exception as error:
        told = None if os.environ.get("HYDRA_FULL_ERROR") == "1" else explained(error)
        if told is None:
            raise
        return _say(*told)


def _say(status: int, message: str) -> int:
    sys.stderr.write(f"reward-forcing: {message}\n")
    return status


def _train(given: Sequence[str]) -> int:
    from reward_forcing.train import main as train

    return train(given)


def _study(given: Sequence[str]) -> int:
    from reward_forcing.study.command import main as study

    return study(given)


def _run_demo(given: argparse.Namespace) -> Any:
    from reward_forcing import demo

    return demo.main(out=given.out, fast=given.fast, seed=given.seed)


def _run_evaluate(given: argparse.Namespace) -> None:
    from evaluation.backends.equip import equip, needed_by
    from evaluation.backends.judge import judged, part_of
    from evaluation.evaluate import evaluate
    from evaluation.measure import choose

    needs, part = needed_by(choose(given.metrics).values()), part_of(given.judge_seconds)
    equipment = equip(needs, given.weights, given.device, download=given.download)
    if given.judge and "judge" in needs:
        equipment = judged(equipment, given.judge, part, given.device)
    done = evaluate(
        given.manifest,
        given.out,
        reference=given.reference,
        metrics=given.metrics,
        baselines=not given.no_baselines,
        equipment=equipment,
    )
    print(f"scores: {done}\nnext: reward-forcing report {done}")


def _run_report(given: argparse.Namespace) -> None:
    from evaluation.report.page import write_report
    from evaluation.report.reading import read_results
    from evaluation.report.terminal import print_table

    page = write_report(
        given.runs,
        given.out,
        reference=given.reference,
        speed=given.speed,
        title=given.title,
        factors=given.factors and tuple(given.factors),
        margins=dict(given.margin),
    )
    print_table(given.runs, given.reference)
    print(f"report: {page}")
    if given.tensorboard:
        from evaluation.report.tensorboard import write_tensorboard

        found = read_results(given.runs, given.reference)
        write_tensorboard(given.tensorboard, found.records, found.summary, found.measures, found.folder)
        print(f"TensorBoard: tensorboard --logdir {given.tensorboard}")


def _run_evaluation(given: argparse.Namespace) -> None:
    from evaluation.commands import ACTIONS

    settings = {name: value for name, value in vars(given).items() if name not in ("command", "action")}
    ACTIONS[given.action](**settings, tell=print)


def _run_benchmark(given: argparse.Namespace) -> None:
    from evaluation.speed.benchmark import Order, benchmark
    from reward_forcing.streaming import Equipment

    words = {"prompt": given.prompt} if given.prompt else {}
    order = Order(
        export=given.export,
        wishes=[_wish(sink, given) for sink in given.sink],
        equipment=Equipment(
            codec=given.codec, dtype=given.dtype, device=_device(given.device), overrides=given.overrides
        ),
        streams=given.stream,
        seed=given.seed,
        chunks=given.chunks,
        warmups=given.warmups,
        repeats=given.repeats,
        scopes=given.scope,
        playback=given.playback,
        buffer=given.buffer,
        against=given.against,
        force=given.force,
        **words,
    )
    print(f"speed: {benchmark(order, given.out)}\npage and charts: {given.out}")


def _run_data(given: argparse.Namespace) -> None:
    others = {"ode-pairs": _ode_pairs, "embed": _embed, "shards": _shards}
    if given.action in others:
        others[given.action](given)
        return
    from reward_forcing.data import commands
    from reward_forcing.data.lmdb_import import import_lmdb

    settings = {key: value for key, value in vars(given).items() if key not in ("command", "action", "run")}
    if given.action == "make":
        settings["pixels"] = not settings.pop("no_pixels")
    actions: dict[str, Callable[..., str]] = {
        "make": commands.make_shards,
        "encode": commands.encode_shards,
        "inspect": commands.inspect_shards,
        "import-lmdb": import_lmdb,
    }
    print(actions[given.action](**settings))


def _ode_pairs(given: argparse.Namespace) -> None:
    from reward_forcing.streaming import Equipment
    from reward_forcing.trajectories import Plan, recommended, write_pairs

    usual = recommended(given.teacher)
    scale = usual.guidance_scale if given.guidance_scale is None else given.guidance_scale
    plan = Plan(steps=given.steps, levels=given.levels, guidance_scale=scale, shift=given.shift)
    equipment = Equipment(dtype=given.dtype, device=_device(given.device), overrides=given.overrides)
    words, batch = read_prompts(given.prompts), given.batch or usual.batch
    print(write_pairs(given.teacher, given.folder, words, plan, seed=given.seed, batch=batch, equipment=equipment))


def _shards(given: argparse.Namespace) -> None:
    from reward_forcing.convert import load_codec
    from reward_forcing.data.clip_folders import Form, gather

    form = Form(frames=given.frames, height=given.height, width=given.width, fps=given.fps)
    codec = load_codec(given.codec_option, given.codec).to(_device(given.device))
    label = f"{given.codec_option} {given.codec or ''}".strip()
    print(gather(given.source, given.folder, codec=codec, form=form, label=label))


def _device(wanted: str) -> str:
    from reward_forcing.machine import device_named

    return device_named(wanted)


def _embed(given: argparse.Namespace) -> None:
    from reward_forcing.convert import embed
    from reward_forcing.schedules import read_schedules

    videos = [video for text in given.prompts if text.endswith(".jsonl") for video in read_schedules(text)]
    words = read_prompts([text for text in given.prompts if not text.endswith(".jsonl")])
    words += [prompt for video in videos for prompt in (video.prompt, *video.switches.values())]
    values = {key: getattr(given, name) for name, key in EMBED_KEYS.items()}
    chosen = {key: f'"{value}"' if isinstance(value, Path) else value for key, value in values.items()}
    settings = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    print(embed(list(dict.fromkeys(words)), [*settings, *given.overrides]))


def _run_generate(given: argparse.Namespace) -> None:
    from reward_forcing.generate import Teaching, generate
    from reward_forcing.schedules import read_schedules, requests
    from reward_forcing.streaming import Equipment
    from reward_forcing.video_folder import Look

    wanted = requests(
        read_prompts([text for text in given.prompts if not text.endswith(".jsonl")]),
        [video for text in given.prompts if text.endswith(".jsonl") for video in read_schedules(text)],
        seeds=given.seeds,
        frames=given.frames,
        seconds=given.seconds,
        batch=given.batch,
        switches=dict(given.switch),
        start=given.start,
        on_switch=given.on_switch,
        cell=given.cell,
        look=Look(given.fps, given.scale, given.format),
    )
    paces = generate(
        given.export,
        given.out,
        wanted,
        wishes=[_wish(sink, given) for sink in given.sink],
        teaching=Teaching(given.steps, given.guidance_scale, given.shift) if given.teacher else None,
        equipment=Equipment(
            codec=given.codec, dtype=given.dtype, device=_device(given.device), overrides=given.overrides
        ),
    )
    for cell, pace in paces.items():
        skipped = f"; {pace.skipped} videos were there already" if pace.skipped else ""
        print(f"{cell}: first frames after {pace.first:.2f} s, {pace} over {pace.frames} frames{skipped}")
    print(f"videos and manifest: {given.out}")


def _run_convert(given: argparse.Namespace) -> None:
    from reward_forcing.convert import convert

    sizes = {"heads": given.heads} if given.heads else {}
    print(convert(given.source, given.target, layout=given.layout, dtype=given.dtype, which=given.which, sizes=sizes))


def _wish(sink: str | None, given: argparse.Namespace) -> Any:
    """A way to remember; among several sinks, a decay is meant for those that have one."""
    from reward_forcing.streaming import MemoryWish

    meant = len(given.sink) == 1 or sink not in ("none", "static")
    return MemoryWish(sink=sink, decay=given.decay if meant else None, window=given.window)


def read_prompts(given: Sequence[str]) -> list[str]:
    """Prompts as given, and the lines of what is a text file."""
    from reward_forcing.data.prompts import read_prompts as lines_of

    prompts: list[str] = []
    for text in given:
        prompts += lines_of(text) if text.endswith((".txt", ".jsonl")) or _is_file(text) else [text]
    return list(dict.fromkeys(prompts))


def _is_file(text: str) -> bool:
    """Whether there is a file of that name; a long prompt is no name at all."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


EMBED_KEYS = {
    "text": "checkpoints.text",
    "tokenizer": "checkpoints.tokenizer",
    "out": "checkpoints.embeddings",
    "batch": "text.encoder.batch",
    "device": "text.encoder.device",
    "dtype": "text.encoder.dtype",
}
"""What options of `reward-forcing data embed` are called in the config."""

RUN: dict[str, Callable[[argparse.Namespace], Any]] = {
    "demo": _run_demo,
    "generate": _run_generate,
    "evaluate": _run_evaluate,
    "benchmark": _run_benchmark,
    "report": _run_report,
    "evaluation": _run_evaluation,
    "data": _run_data,
    "convert": _run_convert,
}

OWN_PARSERS: dict[str, Callable[[Sequence[str]], int]] = {"train": _train, "study": _study}
"""Commands that take Hydra's overrides anywhere."""
