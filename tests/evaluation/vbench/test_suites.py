"""Prompts of a copy: which, for what, and in which words."""

import hashlib
import json
from pathlib import Path

import pytest

from evaluation.vbench.source import Copy, find_copy
from evaluation.vbench.suites import (
    dimension_list,
    prompt_set,
    read_rewritten,
    read_suite,
    rewritten_lists,
    suite_of,
    whole_list,
)
from tests.evaluation.vbench.vbench_copy import ENTRIES, LONGER, PROMPTS, write_clone, write_package


@pytest.fixture
def clone(tmp_path: Path) -> Copy:
    return find_copy(write_clone(tmp_path / "clone"))


@pytest.fixture
def package(tmp_path: Path) -> Copy:
    return find_copy(write_package(tmp_path / "package"))


def test_prompts_know_what_they_are_scored_on(package: Copy) -> None:
    suite = read_suite(package)
    assert [prompt.info() for prompt in suite.prompts] == ENTRIES
    assert [prompt.text for prompt in suite.of(["color", "temporal_flickering"])] == ["a still pond", "a red kite"]
    assert suite.dimensions_of("a harbour, oil painting") == (*ENTRIES[2]["dimension"], "appearance_style")
    assert suite.dimensions_of("a castle") == ()
    assert suite.list_of("imaging_quality") == "overall_consistency"
    assert suite.dimensions[:2] == ("temporal_flickering", "aesthetic_quality")


def test_prompts_that_occur_twice_are_generated_once(package: Copy) -> None:
    whole = prompt_set(package)
    assert list(whole.texts) == list(dict.fromkeys(PROMPTS))
    assert list(whole.texts.values()) == list(whole.texts)
    assert whole.digest == hashlib.sha256("\n".join(PROMPTS[:5]).encode()).hexdigest()
    assert str(whole) == f"vbench/all, 5 prompts, sha256 {whole.digest[:16]}"


def test_sets_of_some_dimensions(package: Copy) -> None:
    some = prompt_set(package, ["color", "appearance_style"])
    assert some.name == "vbench/color+appearance_style"
    assert list(some.texts) == ["a red kite", "a harbour, oil painting"]
    with pytest.raises(ValueError, match="dimension 'colour' has no prompts; allowed: temporal_flickering"):
        prompt_set(package, ["colour"])


def test_rewritten_prompts_follow_the_order_of_the_copys_list(clone: Copy) -> None:
    assert rewritten_lists(clone) == [
        "prompts/augmented_prompts/some/all_dimension_aug_wanx.txt",
        "prompts/gpt_enhanced_prompts/prompts_per_dimension_longer/overall_consistency_longer.txt",
    ]
    whole = prompt_set(clone, rewritten="all_dimension_aug_wanx")
    assert whole.name == "vbench/all/all_dimension_aug_wanx"
    firsts = {PROMPTS[i]: LONGER[i] for i in (0, 1, 2, 3)}
    assert dict(whole.texts) == firsts | {PROMPTS[5]: LONGER[5]}, "the list is in reverse: its first of two is the last"
    assert whole.digest != prompt_set(clone).digest


def test_lists_of_one_dimension(clone: Copy) -> None:
    words = read_rewritten(clone, "overall_consistency_longer.txt")
    assert words == dict(zip(PROMPTS[2:5], LONGER[2:5], strict=True))
    assert list(prompt_set(clone, ["aesthetic_quality"], "overall_consistency_longer").texts) == PROMPTS[2:5]
    with pytest.raises(ValueError, match="overall_consistency_longer has no line for 'a still pond' and 1 others"):
        prompt_set(clone, rewritten="overall_consistency_longer")
    assert dimension_list(clone, "aesthetic_quality") == PROMPTS[2:5]
    assert dimension_list(clone, "color") == ["a red kite"]


def test_lists_of_the_users_own(package: Copy, tmp_path: Path) -> None:
    """The package has no lists: lines are in the order of its prompts."""
    assert whole_list(package) == PROMPTS
    (tmp_path / "mine.txt").write_text("\n".join(LONGER) + "\n\n")
    mine = prompt_set(package, rewritten=str(tmp_path / "mine.txt"))
    assert list(mine.texts.values()) == LONGER[:5]
    assert mine.name == "vbench/all/mine"


def test_lists_that_do_not_fit_are_refused(package: Copy, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("one\ntwo")
    with pytest.raises(ValueError, match=r"short.txt has 2 lines; allowed: a line a prompt, 6 for the whole suite"):
        prompt_set(package, rewritten=str(tmp_path / "short.txt"))
    with pytest.raises(ValueError, match="'wanx' is no file and no list of .*; it has none"):
        prompt_set(package, rewritten="wanx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x: not JSON"),
        ("[]", "x: no list of prompts"),
        ("{}", "x: no list of prompts"),
        (json.dumps([ENTRIES[0], {"prompt_en": "y"}]), "x, entry 1: .*; a prompt has prompt_en and dimension"),
        (json.dumps([{"prompt_en": "y", "dimension": "color"}]), "x, entry 0"),
        (json.dumps(["y"]), "x, entry 0: y"),
    ],
)
def test_wrong_lists_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suite_of(text, "x")
