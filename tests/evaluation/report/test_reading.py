"""Several evaluations become one: cells side by side, nothing taken twice, nothing compared that does not compare."""

import json
from pathlib import Path

import pytest

from evaluation.evaluate import evaluate
from evaluation.report.page import home, write_report
from evaluation.report.reading import Results, read_results
from evaluation.windows import Cut
from tests.evaluation.made import SIX, Damage, intact, tinted, write_study

METRICS = ("palette_drift", "frame_difference")


def run(folder: Path, cells: dict[str, Damage], how: Cut | None = None) -> Path:
    manifest = write_study(folder, cells, prompts=SIX)
    return evaluate(manifest, metrics=METRICS, progress=False, how=how).parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return run(folder / "monday", {"none": intact, "ema": intact}), run(folder / "tuesday", {"ema": tinted})


@pytest.fixture(scope="module")
def joined(runs: tuple[Path, Path]) -> Results:
    return read_results(runs)


def test_cells_of_one_name_are_told_apart_by_their_folders(joined: Results) -> None:
    assert joined.summary.cells == ("none", "monday: ema", "tuesday: ema")
    assert joined.summary.reference == "none"


def test_baselines_are_taken_once(joined: Results) -> None:
    truths = [(r.prompt, r.seed) for r in joined.records if r.cell == "truth"]
    assert sorted(truths) == sorted({(prompt, seed) for seed, prompt in enumerate(SIX)})


def test_scores_and_videos_are_those_of_each_run(joined: Results, runs: tuple[Path, Path]) -> None:
    for path, cell in zip(runs, ("monday: ema", "tuesday: ema"), strict=True):
        alone = [r for r in read_results(path).records if r.cell == "ema"]
        together = [r for r in joined.records if r.cell == cell]
        assert [r.scores for r in together] == [r.scores for r in alone]
        assert all((joined.folder / r.video).is_file() for r in together)
    (comparison,) = (c for c in joined.summary.comparisons if c.cell == "tuesday: ema" and c.column[1] == "late"
                     and c.metric == "palette_drift")  # fmt: skip
    assert comparison.verdict == "worse"
    assert comparison.difference.mean > 0.05


def test_one_page_is_written_above_all_of_them(runs: tuple[Path, Path]) -> None:
    page = write_report(runs)
    assert page == runs[0].parent.resolve() / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "tuesday: ema" in text
    assert "none are shown" not in text
    assert home(runs[0]) == home([runs[0] / "results.json"]) == runs[0]


def test_what_was_scored_otherwise_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = run(tmp_path / "other", {"none": intact}, Cut(length=12))
    with pytest.raises(ValueError, match=r"other.results.json: scored in another way than .*windows is .*'length': 12"):
        read_results([runs[0], other])


def test_an_incomplete_file_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    content = json.loads((runs[0] / "results.json").read_text())
    del content["videos"][0]["cell"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="results.json: incomplete .*cell"):
        read_results(tmp_path)
