"""The prompts that comparisons are made on."""

from collections import Counter
from pathlib import Path

import pytest

from reward_forcing.study.prompts import study_prompts
from reward_forcing.toy.captions import COLOURS, SHAPES, parse

ALL = Path(__file__).parents[2] / "experiments/toy_prompts_all.txt"


@pytest.mark.parametrize("count", [3, 24, 48])
def test_prompts_are_different_captions(count: int) -> None:
    prompts = study_prompts(count)
    assert len(set(prompts)) == count
    assert all(not parse(prompt).plain for prompt in prompts)


def test_prompts_use_all_colours_and_shapes_equally() -> None:
    captions = [parse(prompt) for prompt in study_prompts(24)]
    assert set(Counter(caption.colour for caption in captions).values()) == {24 // len(COLOURS)}
    assert set(Counter(caption.shape for caption in captions).values()) == {24 // len(SHAPES)}
    assert sum(caption.pan in ("pan-slow", "pan-fast") for caption in captions) >= 12


def test_every_caption_is_in_the_list_of_all() -> None:
    lines = ALL.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines) == 6 * 3 * 4 * 5
    assert [str(parse(line)) for line in lines] == lines
    assert set(study_prompts(48)) <= set(lines)
