"""Official names of files, and those that cannot be."""

import pytest

from evaluation.vbench.names import case_twins, check_names, official_name, split_name


@pytest.mark.parametrize("prompt", ["a red fox", "a close-up", "apollo-11", "ein Bär, 3-D", "x-0"])
@pytest.mark.parametrize("sample", [0, 4, 24])
def test_names_lead_back_to_prompts(prompt: str, sample: int) -> None:
    name = official_name(prompt, sample)
    assert name.endswith(f"-{sample}.mp4")
    assert split_name(name.removesuffix(".mp4")) == (prompt, sample)


@pytest.mark.parametrize("stem", ["a red fox", "-3", "fox-", "fox-3a"])
def test_names_without_a_number_are_prompts(stem: str) -> None:
    assert split_name(stem) == (stem, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("9/11-0.mp4", "'9/11-0.mp4' is no file name: no slash.*official_prompt"),
        ("two\nlines-0.mp4", "is no file name"),
        (".hidden-0.mp4", "is no file name"),
        ("x" * 250 + "-0.mp4", "has 256 bytes; allowed: 255; .*--rewritten"),
        ("ä" * 125 + "-0.mp4", "has 256 bytes"),
    ],
)
def test_names_that_cannot_be(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_names(["a-0.mp4", name], case_sensitive=True)


def test_names_that_can_be() -> None:
    check_names(["ä" * 124 + "x-0.mp4", "a, b: c?-0.mp4", "A meadow-0.mp4", "a meadow-1.mp4"], case_sensitive=False)


def test_names_that_are_one_on_other_systems() -> None:
    twins = ["A meadow-0.mp4", "a meadow-0.mp4"]
    assert case_twins([*twins, "a bird-0.mp4"]) == [twins]
    check_names(twins, case_sensitive=True)
    with pytest.raises(ValueError, match="'A meadow-0.mp4' = 'a meadow-0.mp4'; leave one out, or allow"):
        check_names(twins, case_sensitive=False)
