"""What must hold for all scores, names and tables."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.manifest import Entry
from evaluation.vbench import totals
from evaluation.vbench.layout import number
from evaluation.vbench.long import ClipMapping, flat_table
from evaluation.vbench.names import case_twins, check_names, official_name, split_name
from evaluation.vbench.results import official, read_results, video_scores
from evaluation.vbench.totals import DIMENSIONS, LONG, QUALITY, SEMANTIC, Dimension, normalise, partial

SCORE = st.floats(0, 1, width=32)
SCORES = st.fixed_dictionaries(dict.fromkeys(DIMENSIONS, SCORE))
NAME = st.sampled_from(sorted(DIMENSIONS))
PROMPT = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\"), min_size=1, max_size=40)
GROUPS: tuple[tuple[Any, tuple[Dimension, ...]], ...] = (
    (totals.quality, QUALITY),
    (totals.semantic, SEMANTIC),
    (totals.long_total, LONG),
)


@given(SCORES, NAME, SCORE)
def test_totals_rise_with_every_score_and_in_proportion(scores: dict[str, float], name: str, other: float) -> None:
    changed = scores | {name: other}
    dimension = DIMENSIONS[name]
    group, share = (QUALITY, 0.8) if dimension in QUALITY else (SEMANTIC, 0.2)
    slope = share * dimension.weight / sum(d.weight for d in group) / (dimension.high - dimension.low)
    step = totals.total(changed) - totals.total(scores)
    assert step == pytest.approx(slope * (other - scores[name]), abs=1e-9)


@given(SCORES)
def test_the_total_is_between_its_groups(scores: dict[str, float]) -> None:
    parts = totals.quality(scores), totals.semantic(scores)
    assert min(parts) - 1e-9 <= totals.total(scores) <= max(parts) + 1e-9
    assert totals.total(scores) == pytest.approx((4 * parts[0] + parts[1]) / 5)


@given(SCORES)
def test_what_is_partial_is_whole_where_all_are_there(scores: dict[str, float]) -> None:
    for whole, members in GROUPS:
        assert partial(scores, members).mean == pytest.approx(whole(scores))
        assert partial(scores, members).missing == ()


@given(SCORES, st.sets(NAME, min_size=1))
def test_totals_never_depend_on_what_is_missing(scores: dict[str, float], gone: set[str]) -> None:
    some = {name: score for name, score in scores.items() if name not in gone}
    for whole, members in GROUPS:
        missing = [d.name for d in members if d.name in gone]
        part = partial(some, members)
        assert list(part.missing) == missing
        if missing:
            with pytest.raises(ValueError, match=f"missing: {', '.join(missing)}$"):
                whole(some)
        else:
            assert whole(some) == whole(scores)
        if part.present:
            values = [normalise(name, scores[name]) for name in part.present]
            assert min(values) - 1e-9 <= part.mean <= max(values) + 1e-9


def test_a_missing_score_taken_for_0_is_worse_than_any() -> None:
    """Why totals are refused: the official tool would print these."""
    floor = {d.name: d.low for d in (*QUALITY, *SEMANTIC)}
    assert totals.total(floor) == pytest.approx(0)
    assert totals.total(dict.fromkeys(DIMENSIONS, 0.0)) < -0.5


RECORD = st.fixed_dictionaries(
    {"video_path": PROMPT.map(lambda name: f"/data/{name}.mp4"), "video_results": st.one_of(SCORE, st.booleans())},
    optional={"frame_results": st.lists(SCORE, max_size=3), "cnt_per_video": st.integers(0, 99)},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAME, st.tuples(SCORE, st.lists(RECORD, max_size=3)), min_size=1, max_size=4))
def test_result_files_survive_reading(tmp_path: Path, content: dict[str, Any]) -> None:
    known = json.loads(json.dumps(content))
    (tmp_path / "x.json").write_text(json.dumps(content))
    read = read_results([tmp_path / "x.json"])
    assert official(read) == known
    for dimension, result in read.items():
        if len({video.name for video in result.videos}) == len(result.videos):
            assert all(0 <= score <= 1 for score in video_scores(dimension, result).values())


@given(PROMPT, st.integers(0, 10**6))
def test_names_lead_back(prompt: str, sample: int) -> None:
    name = official_name(prompt, sample)
    assert split_name(name.removesuffix(".mp4")) == (prompt, sample)
    if not prompt.startswith("."):
        check_names([name], case_sensitive=True)


@given(st.lists(PROMPT, unique=True, max_size=6))
def test_twins_are_all_that_other_systems_take_for_one(prompts: list[str]) -> None:
    twins = case_twins(prompts)
    assert sum(map(len, twins)) - len(twins) == len(prompts) - len({prompt.casefold() for prompt in prompts})


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1, max_size=5), st.randoms())
def test_numbers_are_unique_and_do_not_depend_on_order(seeds: list[int], random: Any) -> None:
    entries = [Entry(Path("x.mp4"), "a", seed, "ema", 8) for seed in seeds]
    first = {sample.entry.seed: sample.number for sample in number(entries)}
    assert len(set(first.values())) == len(seeds)
    assert sorted(first) == sorted(first, key=lambda seed: first[seed]), "numbers rise with seeds"
    assert set(first.values()) <= set(range(5))
    random.shuffle(entries)
    assert {sample.entry.seed: sample.number for sample in number(entries)} == first


@given(st.lists(st.integers(0, 100), unique=True, min_size=2, max_size=8), st.data())
def test_mapping_is_linear_interpolation(knots: list[int], data: st.DataObject) -> None:
    x = sorted(knot / 100 for knot in knots)
    y = data.draw(st.lists(SCORE, min_size=len(x), max_size=len(x)))
    score = data.draw(st.floats(-0.5, 1.5))
    assert ClipMapping(tuple(x), tuple(y))(score) == pytest.approx(np.interp(score, x, y), abs=1e-9)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_flat_tables_are_read_as_written(table: dict[str, float]) -> None:
    lines = [f"{name}:   {value!r}  # {math.pi}" for name, value in table.items()]
    assert flat_table("\n\n".join(["# a table", *lines, ""]), "x") == table
