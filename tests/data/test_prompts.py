from collections import Counter
from pathlib import Path

import pytest

from reward_forcing.data.prompts import read_prompts, shard_captions, world_prompts
from reward_forcing.toy.captions import parse
from reward_forcing.toy.world import WorldConfig, sample
from tests.data import folders


@pytest.mark.parametrize("text", ["a cat\na dog", "a cat\r\na dog\r\n", "  a cat \n\ta dog\n", "\ufeffa cat\na dog"])
def test_one_prompt_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "prompts.txt").write_bytes(text.encode())
    assert read_prompts(tmp_path / "prompts.txt") == ("a cat", "a dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; write one prompt a line"),
        (b"a\n\nb\n", "line 2 is empty"),
        (b"a\n  \n", "line 2 is empty"),
        (b"a\nb\n a \n", "line 3 repeats line 1: 'a'"),
        (b"a\nb\nM\xfcnchen\n", "line 3 is not UTF-8"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"prompts.txt,? {message}"):
        read_prompts(tmp_path / "prompts.txt")


def test_prompts_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": " a cat ", "id": 1}\n{"prompt": "a\\u00fc dog"}\n', encoding="utf-8")
    assert read_prompts(path) == ("a cat", "aü dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; write one prompt a line"),
        ('{"prompt": "a"}\na cat\n', "line 2 is no object with a text under"),
        ('{"text": "a"}\n', "line 1 is no object with a text under"),
        ('["prompt"]\n', "line 1 is no object with a text under"),
        ('{"prompt": 3}\n', "line 1 is no object with a text under"),
        ('{"prompt": "a"}\n{"prompt": " "}\n', "line 2 has an empty prompt"),
        ('{"prompt": "a"}\n{"prompt": "a", "seed": 1}\n', "line 2 repeats line 1: 'a'"),
    ],
)
def test_bad_json_lines_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "prompts.jsonl").write_text(content)
    with pytest.raises(ValueError, match=rf"prompts.jsonl,? {message}"):
        read_prompts(tmp_path / "prompts.jsonl")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none.txt is not a file"):
        read_prompts(tmp_path / "none.txt")


def test_captions_of_shards(tmp_path: Path) -> None:
    folders.write(tmp_path)
    assert shard_captions(tmp_path) == tuple(f"clip {number} ü" for number in range(7))


def test_prompts_of_the_world_are_distributed_as_its_clips() -> None:
    world = WorldConfig(plain_fraction=0.5)
    prompts = world_prompts(world, seed=4, count=400)
    assert prompts[:3] == tuple(sample(4, index, world).caption for index in range(3))
    share = Counter(parse(prompt).plain for prompt in prompts)[True] / 400
    assert abs(share - 0.5) < 0.1


def test_no_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="count is 0"):
        world_prompts(WorldConfig(), seed=0, count=0)
