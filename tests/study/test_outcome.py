"""From cells to films, from findings to pictures."""

import re
from pathlib import Path

import pytest

from reward_forcing.study.analysis import TEACHER
from reward_forcing.study.outcome import cpu, films_of, folder_name, panels
from reward_forcing.study.planning import FAST, make_plan
from tests.study.test_writing import made_up


def test_folders_have_plain_names() -> None:
    assert folder_name("none, re_dmd") == "none-re_dmd"
    assert folder_name("ema .97") == "ema-.97"
    assert re.fullmatch(r"[\w.=-]+", folder_name("a / b: c"))


def test_every_cell_is_filmed_from_the_same_prompts_and_seeds(tmp_path: Path) -> None:
    plan = make_plan("context_gradient", scale=FAST, root=tmp_path)
    reference, other, teacher = films_of(plan)
    assert (reference.cell, other.cell, teacher.cell) == ("detached", "through", TEACHER)
    assert (reference.baselines, other.baselines, teacher.baselines) == (True, False, False)
    assert reference.prompts == other.prompts == teacher.prompts
    assert [*reference.exports] == [*other.exports] == [*teacher.exports] == [0, 1]
    assert reference.levels == {"gradient": "detached"}
    assert len({film.folder for film in (reference, other, teacher)}) == 3
    assert teacher.teaching is not None
    assert len(set(teacher.exports.values())) == 1


def test_panels_are_the_headlines_with_the_truth_as_a_mark() -> None:
    (panel,) = panels(made_up())
    assert (panel.title, panel.words) == ("palette drift", "last third, ↓")
    assert [*panel.cells] == ["none", "ema"]
    assert panel.marks == {"truth": 0.0}
    assert panel.cells["ema"].low == pytest.approx(0.2)


def test_the_processor_has_a_name() -> None:
    assert cpu().strip()
