"""Prompts with schedules: a JSONL file whose lines are videos, each with a seed and switches of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reward_forcing.generate import Request

KEYS: Final = {"prompt", "seed", "schedule"}


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """What a line of the file says.

    Args:
        prompt: what the video begins with.
        seed: None: every seed that is asked for.
        switches: new prompts, by latent frame (int) or by second (float); none: those that are asked for.
    """

    prompt: str
    seed: int | None = None
    switches: Mapping[int | float, str] = field(default_factory=dict)


def place(text: str) -> int | float:
    """Where a switch is: a latent frame, or seconds with an `s` behind them.

    >>> place("60"), place("2.5s")
    (60, 2.5)

    Raises:
        ValueError: it is neither, or not above 0.
    """
    try:
        at = float(text.removesuffix("s")) if text.endswith("s") else int(text)
    except ValueError:
        at = -1
    if not 0 < at < float("inf"):
        raise ValueError(f'a switch is at {text!r}; allowed: a latent frame such as 60, or seconds such as "5s"')
    return at


def read_schedules(path: str | Path) -> tuple[Scheduled, ...]:
    """The videos of a file; each line `{"prompt": ..., "seed": 3, "schedule": [{"at": "5s", "prompt": ...}]}`.

    Raises:
        ValueError: a line is not like that, or makes the same video as another; the message has its number.
    """
    found: dict[tuple[str, int | None], int] = {}
    videos = []
    if not Path(path).is_file():
        raise ValueError(f"prompts: {path} is not a file; give one with a video a line")
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            video = _scheduled(json.loads(line.decode("utf-8")))
        except ValueError as error:
            raise ValueError(f"prompts: {path}, line {number}: {error}") from error
        key = (video.prompt, video.seed)
        if key in found:
            raise ValueError(f"prompts: {path}, line {number} has prompt and seed of line {found[key]}; change one")
        found[key] = number
        videos.append(video)
    if not videos:
        raise ValueError(f"prompts: {path} is empty; write one video a line")
    return tuple(videos)


def requests(
    prompts: Sequence[str],
    scheduled: Sequence[Scheduled],
    *,
    seeds: Sequence[int],
    switches: Mapping[int | float, str],
    **settings: Any,
) -> list[Request]:
    """A request for the prompts, and one for all scheduled videos that share seeds and switches.

    Args:
        prompts: without schedules.
        scheduled: with.
        seeds: of the prompts, and of what names none.
        switches: of the prompts, and of what has no schedule.
        settings: further arguments of every request.

    Raises:
        ValueError: there is nothing to make, or a video is asked for twice.
    """
    videos = [*(Scheduled(prompt=prompt) for prompt in prompts), *scheduled]
    groups: dict[tuple[tuple[int, ...], tuple[tuple[int | float, str], ...]], list[str]] = {}
    made: set[tuple[str, int]] = set()
    for video in videos:
        chosen = tuple(seeds) if video.seed is None else (video.seed,)
        again = made & {(video.prompt, seed) for seed in chosen}
        if again:
            raise ValueError(f"prompts: {min(again)} is asked for twice; allowed: a prompt and seed once")
        made |= {(video.prompt, seed) for seed in chosen}
        places = tuple(sorted((video.switches or switches).items()))
        groups.setdefault((chosen, places), []).append(video.prompt)
    asked = groups or {(tuple(seeds), tuple(switches.items())): []}
    return [Request(prompts=p, seeds=s, switches=dict(at), **settings) for (s, at), p in asked.items()]


def _scheduled(entry: Any) -> Scheduled:
    """What a decoded line says; raises ValueError where it says something else."""
    if not isinstance(entry, dict) or not set(entry) <= KEYS or not _is_text(entry.get("prompt")):
        raise ValueError(f"allowed: an object with a prompt, and perhaps seed and schedule; it is {str(entry)[:80]}")
    seed, schedule = entry.get("seed"), entry.get("schedule", [])
    if seed is not None and type(seed) is not int:
        raise ValueError(f"seed is {seed!r}; allowed: a whole number")
    if not isinstance(schedule, list) or not all(map(_is_step, schedule)):
        raise ValueError('schedule is not like [{"at": "5s", "prompt": "a red fox"}]')
    switches = {place(str(step["at"])): step["prompt"].strip() for step in schedule}
    return Scheduled(prompt=entry["prompt"].strip(), seed=seed, switches=switches)


def _is_step(step: Any) -> bool:
    return isinstance(step, dict) and set(step) == {"at", "prompt"} and _is_text(step["prompt"])


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
