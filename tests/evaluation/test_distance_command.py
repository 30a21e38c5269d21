"""`reward-forcing evaluation distance`, as users call it."""

import json
from pathlib import Path

import pytest

from reward_forcing import cli
from tests.evaluation.made import copying, intact, write_study

PROMPTS = tuple(f"{colour} cross fast pan-slow" for colour in ("red", "green", "blue", "yellow"))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = {"true": intact, "copying": copying}
    return write_study(tmp_path_factory.mktemp("study"), cells, frames=17, prompts=PROMPTS)


def test_distances_are_told_and_written(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "distances.json"
    words = ["distance", str(manifest), str(manifest), "--out", str(out), "--extractor", "toy", "--device", "cpu"]
    assert cli.main(["evaluation", *words]) == 0
    said = capsys.readouterr().out
    assert "extractor: toy states (not FVD)" in said
    assert "clips: the first 16 frames, stride 1" in said
    written = json.loads(out.read_text())
    assert list(written["cells"]) == ["true", "copying"]
    assert written["cells"]["true"]["real"] == 8
    assert written["cells"]["true"]["frechet"] < written["cells"]["copying"]["frechet"] + 1e-6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--extractor", "i3d"], "it takes a TorchScript file of I3D"),
        (["--stride", "2"], "it has 17 frames; 31 are needed"),
        (["--frames", "0"], "frames is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_told_is_refused(
    manifest: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert cli.main(["evaluation", "distance", str(manifest), str(manifest), "--device", "cpu", *words]) == 2
    assert message in capsys.readouterr().err
