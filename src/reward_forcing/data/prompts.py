"""Where prompts come from: a file, the captions of shards, or the toy world."""

import json
from pathlib import Path

from reward_forcing.data.shards import Shards
from reward_forcing.toy.world import WorldConfig, sample


def read_prompts(path: str | Path) -> tuple[str, ...]:
    """The prompts of a UTF-8 file: one a line, or (`.jsonl`) one a line under the key "prompt".

    Blanks around prompts are dropped.

    Raises:
        ValueError: there is no such file, or it is empty, or a line is empty, a duplicate, not UTF-8 or (`.jsonl`) no
            object with a prompt.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"prompts: {path} is not a file; give a text file with one prompt a line, or a .jsonl file")
    seen: dict[str, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        prompt = _prompt(path, number, _decoded(path, number, line))
        if prompt in seen:
            raise ValueError(f"prompts: {path}, line {number} repeats line {seen[prompt]}: {prompt!r}; delete one")
        seen[prompt] = number
    if not seen:
        raise ValueError(f"prompts: {path} is empty; write one prompt a line")
    return tuple(seen)


def shard_captions(folder: str | Path) -> tuple[str, ...]:
    """The caption of every clip of a folder of shards, repeated as often as it occurs."""
    shards = Shards(folder)
    return tuple(shards.text(clip) for clip in range(len(shards)))


def world_prompts(world: WorldConfig, seed: int, count: int) -> tuple[str, ...]:
    """Captions as the toy world draws them, one for each of `count` scenes; they repeat.

    Raises:
        ValueError: `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"data.content.prompts.count is {count}; it must be at least 1")
    return tuple(sample(seed, index, world).caption for index in range(count))


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        prompt = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"prompts: {path}, line {number} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from error
    if not prompt:
        raise ValueError(f"prompts: {path}, line {number} is empty; delete the line")
    return prompt


def _prompt(path: Path, number: int, line: str) -> str:
    """What a line asks for."""
    if path.suffix != ".jsonl":
        return line
    try:
        prompt = json.loads(line)["prompt"].strip()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'prompts: {path}, line {number} is no object with a text under "prompt"; write {{"prompt": "..."}}'
        ) from error
    if not prompt:
        raise ValueError(f"prompts: {path}, line {number} has an empty prompt; delete the line")
    return str(prompt)
