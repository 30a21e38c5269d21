"""The studies as they are written: they compose, plan and say what they are for."""

from pathlib import Path

import pytest

from reward_forcing.composition import places
from reward_forcing.study.planning import FAST, FULL, make_plan, studies
from reward_forcing.study.running import announced
from reward_forcing.study.writing import BLOCK

STUDIES = sorted(studies())
DISTINCT = 50
"""Students of all studies together: what two cores train in an hour and a half."""


def test_the_studies_of_the_paper_are_there() -> None:
    asked = {"sink_ablation", "loss_ablation", "sink_x_loss", "ema_in_training", "context_gradient"}
    assert asked | {"init_ablation", "window_and_chunk", "steps"} <= set(STUDIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_its_fast_form_can_be_planned(name: str, tmp_path: Path) -> None:
    plan = make_plan(name, scale=FAST, root=tmp_path)
    assert plan.cells[0].name == plan.study.reference, "the reference comes first: its levels are those of effects"
    assert all(len(cell.students) <= 2 for cell in plan.cells)
    assert (plan.prompts, plan.frames, plan.whole) == (2, 24, False)
    said = announced(plan, 2)
    assert plan.study.question in said
    assert f"students: {len(plan.students)}, of which 0 are there already" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_studies_share_most_of_their_students(tmp_path: Path) -> None:
    plans = [make_plan(name, scale=FULL, root=tmp_path) for name in STUDIES]
    assert len({student.digest for plan in plans for student in plan.students}) <= DISTINCT
    sinks = next(plan for plan in plans if plan.name == "sink_x_loss")
    known = {student.digest for student in sinks.students}
    for name in ("sink_ablation", "ema_in_training"):
        (plan,) = (plan for plan in plans if plan.name == name)
        assert {student.digest for student in plan.students} <= known, f"{name} trains what sink_x_loss does not"
    assert all(plan.whole for plan in plans)


@pytest.mark.parametrize("name", STUDIES)
def test_its_page_asks_expects_and_shows_what_was_found(name: str) -> None:
    page = places.shipped(f"experiments/{name}.md").read_text(encoding="utf-8")
    for part in ("Question", "Hypothesis", "Command", "Cost", "Expected", "Found", "Read with care"):
        assert f"**{part}" in page, part
    assert f"`reward-forcing study {name}`" in page
    assert [match[2] for match in BLOCK.finditer(page)] == [name]
