"""What metrics promise about damage holds, and the published page is what the code measures."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.measure import discover
from evaluation.validation import sensitivity
from evaluation.validation.corruptions import CORRUPTIONS
from evaluation.validation.expectations import ROWS, row
from evaluation.validation.sensitivity import PAGE, Change, Found, broken, expected, main, measure_all, page

NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
ONE = row("one_sprite", 1, up="frozen", down="vanish", still="noise")


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return measure_all()


def told(*changes: tuple[str, float, float]) -> list[str]:
    """What is broken where these damages change ONE by so much at half and full severity."""
    return list(broken([Found(ONE, 0.5, {name: Change(half, full) for name, half, full in changes})]))


def words(text: str) -> list[str]:
    return NUMBER.sub("#", text).split()


def numbers(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def test_all_promises_hold(found: Sequence[Found]) -> None:
    assert "\n".join(broken(found)) == ""


def test_the_published_page_is_what_is_measured(found: Sequence[Found]) -> None:
    published, measured = PAGE.read_text(encoding="utf-8"), page(found)
    assert words(published) == words(measured), "run `python -m evaluation.validation.sensitivity`"
    assert numbers(published) == pytest.approx(numbers(measured), rel=0.1, abs=0.02)


def test_a_frozen_video_is_as_good_as_the_truth_to_most_metrics(found: Sequence[Found]) -> None:
    """Why every report has the frozen first frame as a grey row."""
    measures = discover()
    for metric in ("one_sprite", "shape_accuracy", "identity", "fidelity", "palette_drift", "contrast", "jumps"):
        (one,) = (f for f in found if f.row.name == metric)
        assert one.changes["frozen"].full == pytest.approx(0, abs=0.02 * one.row.size), metric
        assert measures[metric].better != "open"


def test_wobble_fools_steps_but_not_net_displacement(found: Sequence[Found]) -> None:
    by_name = {one.row.name: one.changes["jitter"].full / one.truth for one in found if one.truth}
    assert by_name["step_motion"] > 1
    assert by_name["net_displacement"] < -0.5


def test_kept_promises_are_not_told() -> None:
    assert told(("frozen", 0.3, 0.5), ("vanish", -0.3, -0.5), ("noise", 0.02, -0.02), ("blur", 9, -9)) == []
    assert told(("frozen", 0.5, 0.45)) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("frozen", 0.01, 0.05), "at least 0.1"),
        (("frozen", -0.3, 0.5), "the other way"),
        (("frozen", 0.9, 0.5), "not beyond the full damage"),
        (("vanish", 0.2, 0.5), "expected down: at least 0.1"),
        (("noise", 0.0, 0.05), "expected still: at most 0.03"),
        (("noise", -0.05, 0.0), "at most 0.03"),
        (("noise", float("nan"), float("nan")), "at most 0.03"),
        (("frozen", float("nan"), float("nan")), "at least 0.1"),
    ],
)
def test_broken_promises_are(change: tuple[str, float, float], why: str) -> None:
    assert any(why in line and line.startswith(f"one_sprite under {change[0]}") for line in told(change))


def test_a_row_says_one_thing_of_a_damage() -> None:
    assert [expected(ONE, name) for name in ("frozen", "vanish", "noise", "blur")] == ["up", "down", "still", "open"]
    with pytest.raises(ValueError, match="'one_sprite' has 'frozen' in up and still; allowed: one of them"):
        expected(replace(ONE, still=ONE.up), "frozen")


def test_pages_show_arrows_and_numbers() -> None:
    changes = {
        "frozen": Change(0.1, 0.25),
        "vanish": Change(-3, -12.3),
        "noise": Change(0, 0.0001),
        "blur": Change(0, 2),
    }
    lines = page([Found(ONE, 1.0, changes), Found(ONE, float("nan"), changes)]).splitlines()
    assert lines[-2] == "| one_sprite | 1.0 | ↑ +0.25 | ↓ -12 | = 0 | +2.0 |"
    assert lines[-1].startswith("| one_sprite | – |")
    assert lines[-4].startswith("| metric | truth | frozen | vanish | noise | blur |")


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [one for one in ROWS if one.metric in ("one_sprite", "stagnation")]
    monkeypatch.setattr(sensitivity, "measure_all", lambda: measure_all(few, CORRUPTIONS[:2], sensitivity.PROMPTS[:2]))
    main(tmp_path / "docs/page.md")
    text = (tmp_path / "docs/page.md").read_text(encoding="utf-8")
    assert "| metric | truth | frozen | slowed |" in text
    assert "| stagnation | 0 | ↑ +1.0 |" in text
