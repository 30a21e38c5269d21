"""What a study took is what all its runs took, those that were stopped included."""

from pathlib import Path

from reward_forcing.study.costs import FILE, Run, note_run, runs


def test_a_study_that_never_ran_took_nothing(tmp_path: Path) -> None:
    assert runs(tmp_path / "not there") == []


def test_runs_are_kept_in_order(tmp_path: Path) -> None:
    first, second = Run(2, 61.5, ("aa", "bb")), Run(1, 3.0)
    for one in (first, second):
        note_run(tmp_path / "study", one)
    assert runs(tmp_path / "study") == [first, second]
    assert len((tmp_path / "study" / FILE).read_text(encoding="utf-8").splitlines()) == 2
