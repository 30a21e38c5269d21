"""Answers are read where they can be, and refused clearly where they cannot."""

import math

import pytest

from evaluation.backends.rubric import ASPECTS, RUBRIC, checked, digest, question, read_answer

LINES = "text_alignment: 4\ndynamics: 1\nvisual_quality: 5"
MARKS = {"text_alignment": 4.0, "dynamics": 1.0, "visual_quality": 5.0}


@pytest.mark.parametrize(
    "answer",
    [
        LINES,
        f"Here are my marks.\n\n{LINES}\n\nThe video is nearly still.",
        "Text Alignment: 4/5, Dynamics: 1/5, Visual Quality: 5/5",
        '{"text_alignment": 4, "dynamics": "1", "visual_quality": 5.0}',
        "**text_alignment**: **4**\n**dynamics**: **1**\n**visual_quality**: **5**",
        "text_alignment = 4\ndynamics = 1\nvisual_quality = 5",
        f"<think>dynamics: 3? No, dynamics: 2.</think>{LINES}",
        f"{LINES}\n\nAgain: dynamics: 1",
    ],
)
def test_marks_are_read(answer: str) -> None:
    assert read_answer(answer) == MARKS


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "the answer '' has no mark for text_alignment"),
        ("It is a nice video of a dog.", "'It is a nice video of a dog.' has no mark for text_alignment"),
        ("text_alignment: 4\nvisual_quality: 5", "has no mark for dynamics"),
        (f"{LINES}\ndynamics: 2", "marks dynamics 2 times in different ways"),
        (LINES.replace("1", "6"), "marks dynamics with 6; allowed: 1 to 5"),
        (LINES.replace("1", "0"), "marks dynamics with 0; allowed: 1 to 5"),
        (LINES.replace("1", "-3"), "marks dynamics with -3; allowed: 1 to 5"),
        (LINES.replace("1", "2.5"), "marks dynamics with 2.5; allowed: 1 to 5"),
        (LINES.replace("1", "N"), "has no mark for dynamics"),
        ("word " * 100, r"the answer '(word ){12}' has no mark|the answer '(word ){11}word' has no mark"),
    ],
)
def test_other_answers_are_refused(answer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_answer(answer)


def test_the_question_holds_the_prompt_as_it_is() -> None:
    asked = question("a {prompt} of {braces}\nand lines")
    assert '"a {prompt} of {braces}\nand lines"' in asked
    assert all(f"\n{aspect}: N" in asked for aspect in ASPECTS)
    assert RUBRIC.count("{prompt}") == 1


def test_the_question_alone_is_no_answer() -> None:
    """A model that repeats what it was asked has not marked anything."""
    with pytest.raises(ValueError, match="has no mark"):
        read_answer(question("a dog"))


def test_the_digest_is_of_the_words() -> None:
    assert len(digest()) == 64
    assert digest() == digest()


def test_marks_of_other_judges_are_checked() -> None:
    assert checked({"dynamics": 2.5})["dynamics"] == 2.5
    assert math.isnan(checked({"dynamics": 2})["visual_quality"])
    assert math.isnan(checked({"dynamics": math.nan})["dynamics"])
    for marks, message in (
        ({"beauty": 3}, "marks of beauty; allowed: text_alignment"),
        ({}, "marks of nothing"),
        ({"dynamics": 7}, "dynamics is 7; allowed: 1 to 5"),
    ):
        with pytest.raises(ValueError, match=message):
            checked(marks)
