"""The page about metrics is complete and up to date."""

from functools import partial
from pathlib import Path

import pytest

from evaluation.courses import DRIFTS
from evaluation.measure import Measure, discover
from evaluation.validation import catalogue
from evaluation.validation.catalogue import (
    FOOLED,
    PAGE,
    direction,
    drifts_table,
    looks_through,
    main,
    metrics_table,
    words_of,
)

MEASURES = discover()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue.page(), "run `python -m evaluation.validation.catalogue`"


def test_every_metric_and_statistic_has_a_line() -> None:
    toy, other, drifts = (
        table.splitlines()[2:] for table in (metrics_table("toy"), metrics_table("any"), drifts_table())
    )
    assert len(toy) + len(other) == len(MEASURES)
    assert all(any(line.startswith(f"| `{name}`") for line in [*toy, *other]) for name in MEASURES)
    assert [line.split("`")[1] for line in drifts] == list(DRIFTS)
    assert all("`one_sprite`" not in line for line in other)


def test_lines_have_all_columns() -> None:
    for table in (metrics_table("toy"), metrics_table("any"), drifts_table()):
        lines = [line.replace("\\|", "") for line in table.splitlines()]
        assert len({line.count("|") for line in lines}) == 1


def test_what_fools_is_told_of_what_exists() -> None:
    toy = {name for name, measure in MEASURES.items() if measure.kind == "toy"}
    assert toy | set(DRIFTS) <= set(FOOLED)
    assert all(FOOLED.values())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("fidelity", "↑ 50"),
        ("palette_drift", "↓ 0"),
        ("contrast", "→ 1"),
        ("copy_score", "↓"),
        ("sink_similarity", "–"),
    ],
)
def test_directions_are_arrows(name: str, shown: str) -> None:
    assert direction(MEASURES[name]) == shown


def test_words_are_the_first_paragraph_whatever_the_function_is() -> None:
    def described(measure: Measure) -> str:
        """Says a|b
        in two lines.

        And more.
        """
        return measure.name

    assert words_of(described) == "Says a\\|b in two lines."
    assert words_of(partial(described)) == words_of(described)


def test_needs_and_scope_are_noted() -> None:
    assert looks_through(MEASURES["one_sprite"]) == ""
    assert looks_through(MEASURES["frame_difference"]) == ""
    assert looks_through(MEASURES["sink_relapse"]) == " *Whole videos only.*"


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    main(tmp_path / "docs/page.md")
    assert (tmp_path / "docs/page.md").read_text(encoding="utf-8") == catalogue.page()
