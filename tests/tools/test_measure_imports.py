import pytest

from tools import measure_imports


def test_figures_are_seconds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(measure_imports, "RUNS", 1)
    measure_imports.main()
    rows = capsys.readouterr().out.splitlines()
    assert [row.partition("  ")[0] for row in rows] == ["library, beyond torch", "reward-forcing --help"]
    for row in rows:
        assert 0 < float(row.split(" s ")[0].split()[-1]) < 60


def test_everything_measured_is_part_of_the_library() -> None:
    for name in measure_imports.LIBRARY:
        assert __import__(f"reward_forcing.{name}")
