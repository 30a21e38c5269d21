"""Plans from pilots whose noise is known, and from numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

from evaluation.results import SCHEMA
from evaluation.statistics.crossed import Key
from evaluation.statistics.pilot import Pilot, Stated, pilot_noise, plan, read_pilot, stated_noise, table
from evaluation.statistics.power import USUAL, Demand, Noise, power_of, prompts_needed, smallest_difference
from evaluation.table import Record, to_json, write_json
from reward_forcing import cli
from tests.evaluation.made import record

COLUMN = ("contrast", "all")
CELLS = ("none", "ema", "static")


def records(prompts: int = 40, seeds: int = 3, *, flags: bool = False) -> list[Record]:
    """Prompts differ by 3, which is common to cells; differences by 0.4 between prompts and 0.3 between seeds."""
    rng = np.random.default_rng(0)
    base, sink = rng.normal(1, 3, prompts), rng.normal(0.5, 0.4, prompts)
    made = []
    for cell in CELLS:
        for prompt in range(prompts):
            for seed in range(seeds):
                value = base[prompt] + (sink[prompt] + rng.normal(0, 0.3) if cell == "ema" else 0)
                score = float(value > 1) if flags else value
                made.append(record(cell, seed, {"contrast": score}, prompt=f"prompt {prompt}"))
    return made


def written(folder: Path, made: list[Record], reference: str = "none") -> Path:
    videos = [to_json(r) for r in made]
    write_json(folder / "results.json", {"schema": SCHEMA, "reference": reference, "videos": videos})
    return folder


def test_a_pilot_is_read_and_paired(tmp_path: Path) -> None:
    made = records()
    truth = record("ema", 0, {"contrast": 99.0}, prompt="prompt 0", baseline=True)
    pilot = read_pilot(written(tmp_path, [truth, *reversed(made)]), COLUMN, ("ema", "none"))
    assert (pilot.cells, pilot.seeds, len(pilot.differences), pilot.flags) == (("ema", "none"), 3, 120, False)
    scores = {(r.cell, Key(r.prompt, r.seed)): r.score(*COLUMN) for r in made}
    expected = [scores["ema", key] - scores["none", key] for cell, key in reversed(scores) if cell == "ema"]
    assert pilot.differences == pytest.approx(expected, abs=1e-4)
    noise = pilot_noise(pilot, Stated())
    assert noise.sd == pytest.approx(0.5, rel=0.15)
    assert noise.correlation == pytest.approx(0.64, abs=0.15)
    assert pilot_noise(pilot, Stated(seed_correlation=0.25)) == Noise(noise.sd, 0.25)


def test_the_reference_and_the_first_other_cell_are_compared(tmp_path: Path) -> None:
    assert read_pilot(written(tmp_path, records(6)), COLUMN).cells == ("ema", "none")
    file = written(tmp_path, records(6), reference="ema") / "results.json"
    assert read_pilot(file, COLUMN).cells == ("none", "ema")


def test_the_plan_says_how_many_prompts(tmp_path: Path) -> None:
    folder = written(tmp_path, records())
    said = plan(folder, metric="contrast", delta=0.2, cells=("ema", "none"))
    noise = pilot_noise(read_pilot(folder, COLUMN), Stated())
    needed = prompts_needed(noise, 0.2, seeds=3)
    assert f"To find 0.2 with power 0.8 at alpha 0.05: {needed} prompts x 3 seeds, {3 * needed} videos a cell." in said
    assert re.search(r"contrast \(all\), ema - none: \+0\.\d+ in 120 pairs of videos of 40 prompts", said)
    assert "to 11 %, so a number of prompts to 23 %" in said
    assert "3 training seeds a cell or more" in said
    rows = [line.split() for line in said.splitlines() if re.match(r" +\d", line)]
    assert [int(row[0]) for row in rows] == sorted({needed, 12, 24, 48, 96, 192, 384})
    for count, videos, smallest, power in rows:
        assert int(videos) == 3 * int(count)
        assert float(smallest) == pytest.approx(smallest_difference(noise, int(count), seeds=3), rel=0.01)
        assert float(power) == pytest.approx(power_of(noise, 0.2, int(count), seeds=3), abs=0.006)


def test_fewer_seeds_need_more_prompts(tmp_path: Path) -> None:
    folder = written(tmp_path, records())
    said = {seeds: plan(folder, metric="contrast", delta=0.1, seeds=seeds) for seeds in (None, 1, 3)}
    needed = {seeds: int(re.findall(r"(\d+) prompts x", text)[0]) for seeds, text in said.items()}
    assert needed[None] == needed[3] < needed[1]


def test_with_one_seed_a_prompt_the_plan_says_what_it_assumes(tmp_path: Path) -> None:
    folder = written(tmp_path, records(seeds=1))
    said = plan(folder, metric="contrast", delta=0.2, seeds=4)
    assert "one seed a prompt: more seeds are taken to say nothing new" in said
    alone = plan(folder, metric="contrast", delta=0.2)
    assert re.findall(r"(\d+) prompts x", said) == re.findall(r"(\d+) prompts x", alone)
    helped = plan(folder, metric="contrast", delta=0.2, seeds=4, stated=Stated(seed_correlation=0.2))
    assert int(re.findall(r"(\d+) prompts x", helped)[0]) < int(re.findall(r"(\d+) prompts x", alone)[0])


def test_flags_are_noticed(tmp_path: Path) -> None:
    pilot = read_pilot(written(tmp_path, records(flags=True)), COLUMN)
    assert pilot.flags
    assert pilot_noise(pilot, Stated()).flags


def test_videos_of_another_length_are_compared_on_first_clips(tmp_path: Path) -> None:
    made = [record("none", s, {"contrast": float(s)}) for s in range(4)]
    made += [record("ema", s, {"contrast": s + 0.1 * s}, frames=24 if s < 2 else 48) for s in range(4)]
    folder = written(tmp_path, made)
    whole, clip = (read_pilot(folder, ("contrast", window)) for window in ("all", "clip"))
    assert np.isnan(whole.differences).tolist() == [True, True, False, False]
    assert clip.differences == pytest.approx([0, 0.1, 0.2, 0.3])
    assert read_pilot(folder, ("contrast", "drift_slope")).differences[2:].tolist() == pytest.approx([0, 0])


def test_most_prompts_say_how_many_seeds_there_are() -> None:
    values = np.array([1.0, 2, 3, 4, 5, np.nan])
    assert Pilot(("a", "b"), values, ("p", "p", "q", "q", "r", "r"), flags=False).seeds == 2


def test_numbers_may_be_stated() -> None:
    said = plan(delta=0.1, stated=Stated(sd=0.3, correlation=0.5), demand=Demand(0.9), prompts=[50, 3])
    assert "Differences of videos vary by 0.3 (standard deviation)." in said
    several = plan(delta=0.1, stated=Stated(sd=0.3, seed_correlation=0.5), seeds=2)
    assert "vary by 0.424 (standard deviation), correlating by 0.5 between seeds of a prompt." in several
    assert "To find 0.1 with power 0.9 at alpha 0.05: 97 prompts x 1 seed, 97 videos a cell." in said
    assert [line.split()[0] for line in said.splitlines() if re.match(r" +\d", line)] == ["50", "97"]
    dynamic = stated_noise(Stated(proportion=0.66, seed_correlation=0.6), 0.03)
    assert dynamic.sd == pytest.approx(np.sqrt(0.66 * 0.34 + 0.69 * 0.31))
    assert (dynamic.correlation, dynamic.flags) == (0.6, True)


def test_the_table_has_no_row_that_shows_nothing() -> None:
    rows = table(Noise(1), 0.5, 1, USUAL, [2, 5, 6])
    assert [line.split()[0] for line in rows if re.match(r" +\d", line)] == ["6", "34"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metric": "contrst"}, "metric: 'contrst' is unknown; allowed: contrast"),
        ({"window": "end"}, "window: 'end' is unknown; allowed: all, clip, early, middle, late, drift_std"),
        ({"cells": ("ema", "emma")}, "cells: 'emma' is unknown; allowed: none, ema, static"),
        ({"cells": ("static", "none")}, "sd is 0; it must be above 0"),
        ({"stated": Stated(sd=1.0)}, "one of: RESULTS of a pilot, --sd, --proportion; give exactly one"),
        ({"delta": 0.0}, "delta is 0.0; it must not be 0"),
    ],
)
def test_wrong_questions_are_refused(tmp_path: Path, wrong: dict[str, object], said: str) -> None:
    usual: dict[str, object] = {"metric": "contrast", "delta": 0.1}
    with pytest.raises(ValueError, match=said):
        plan(written(tmp_path, records(4)), **{**usual, **wrong})  # type: ignore[arg-type]


def test_a_plan_needs_something_to_start_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give exactly one"):
        plan(delta=1)
    with pytest.raises(ValueError, match=r"nowhere.json: there is no such file; `reward-forcing evaluate"):
        plan(tmp_path / "nowhere.json", delta=1)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"list.json: the schema is None"):
        plan(tmp_path / "list.json", delta=1)
    write_json(tmp_path / "other.json", {"schema": "other/1"})
    with pytest.raises(ValueError, match=r"other.json: the schema is 'other/1'; allowed: 'reward-forcing/results/1'"):
        plan(tmp_path / "other.json", delta=1)
    alone = written(tmp_path, [record("ema", s, {"contrast": 1.0}) for s in range(3)], reference="ema")
    with pytest.raises(ValueError, match="the pilot has one cell, 'ema'; a plan needs two to pair, or state"):
        plan(alone, metric="contrast", delta=1)


def test_the_command_says_what_the_plan_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, records(12))
    words = ["evaluation", "plan", str(folder), "--metric", "contrast", "--delta", "0.2", "--cells", "static", "ema"]
    assert cli.main([*words, "--window", "late", "--seeds", "2", "--power", "0.9", "--prompts", "20"]) == 0
    expected = plan(
        folder,
        metric="contrast",
        window="late",
        cells=("static", "ema"),
        delta=0.2,
        seeds=2,
        demand=Demand(0.9),
        prompts=[20],
    )
    assert capsys.readouterr().out == expected + "\n"
    assert cli.main([*words[:2], "--delta", "0.05", "--proportion", "0.66", "--seeds", "5"]) == 0
    assert capsys.readouterr().out == plan(delta=0.05, stated=Stated(proportion=0.66), seeds=5) + "\n"
    assert cli.main(["evaluation", "plan", "--delta", "0.05"]) == 2
    assert "give exactly one" in capsys.readouterr().err
