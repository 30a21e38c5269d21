"""The doctor looks at everything, loads nothing, and counts as the backends do."""

import json
from pathlib import Path

import pytest
import torch

from evaluation.backends.backend import Footage, discover
from evaluation.commands import ACTIONS
from evaluation.doctor import TYPICAL, Report, as_json, examine, footage, measured_rate, told
from evaluation.instruments import Equipment
from evaluation.measure import choose
from reward_forcing import cli
from tests.evaluation.made import intact, write_study


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """RAFT is there, and one of the two files of the aesthetic score."""
    (tmp_path / "weights").mkdir()
    for name in ("raft-things.pth", "sa_0_4_vit_l_14_linear.pth"):
        (tmp_path / "weights" / name).write_bytes(b"1234567")
    return tmp_path / "weights"


def ready(report: Report) -> set[str]:
    return {finding.instrument for finding in report.findings if finding.ready}


def test_every_metric_and_every_backend_is_in_it() -> None:
    report = examine(None, device="cpu", rate=1.0)
    told_of = {name for finding in report.findings for name in finding.metrics}
    assert told_of == set(choose(None))
    assert {finding.instrument for finding in report.findings} == {"pixels", *discover()}
    assert ready(report) == {"pixels"}
    free = next(finding for finding in report.findings if finding.instrument == "pixels")
    assert not any(Equipment().lacking(choose([name])[name].needs) for name in free.metrics)


def test_weights_are_found_where_they_are(weights: Path) -> None:
    report = examine(None, [weights], "cpu", 1.0)
    assert ready(report) == {"pixels", "flow", "stillness"}
    files = {file.file: file for finding in report.findings for file in finding.files}
    raft = files["raft_large_C_T_V1-22a6c225.pth"]
    assert (raft.path, raft.size) == (str(weights / "raft-things.pth"), 7)
    assert files["sa_0_4_vit_l_14_linear.pth"].path
    assert files["ViT-L-14.safetensors"].path == ""
    assert files["ViT-L-14.safetensors"].size == 1_710_000_000


def test_costs_are_those_of_the_backends() -> None:
    report = examine(None, device="cpu", rate=2.0)
    for finding in report.findings[1:]:
        cost = discover()[finding.instrument].cost(TYPICAL)
        assert finding.gflop == pytest.approx(cost)
        assert finding.seconds == pytest.approx(cost / 2000)


def test_a_manifests_videos_are_counted(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"a": intact}, frames=10)
    (tmp_path / "videos/a-2.mkv").write_bytes(b"no video")
    assert footage(manifest) == ([Footage(10, 32, 32, 8.0)] * 2, 1)
    report = examine(manifest, device="cpu", rate=1.0)
    assert (report.videos, report.unreadable) == (2, 1)
    dino = next(finding for finding in report.findings if finding.instrument == "dino")
    assert dino.gflop == pytest.approx(2 * discover()["dino"].cost(Footage(10, 32, 32, 8.0)))


def test_the_words_say_what_is_missing_and_how_to_get_it(weights: Path) -> None:
    lines = told(examine(None, [weights], "cpu", 1.0)).splitlines()
    heads = [line.split()[0] for line in lines if not line.startswith(" ")][:-1]
    assert heads == sorted(heads, key=lambda word: word != "ready")
    place = next(i for i, line in enumerate(lines) if "dynamic_degree" in line)
    assert lines[place].startswith("ready")
    assert lines[place + 1].strip() == "RAFT: 38.4 TFLOP, at least 38.4 s"
    assert str(weights / "raft-things.pth") in lines[place + 2]
    place = next(i for i, line in enumerate(lines) if "motion_smoothness" in line)
    assert lines[place].startswith("missing")
    assert (
        "amt-s.pth (12 MB; CC BY-NC 4.0): not found; get it: https://huggingface.co/lalala125/AMT" in lines[place + 2]
    )
    assert lines[-1].startswith("one video: at least 1.99 min for what is ready, ")
    assert lines[-1].endswith("at 1 TFLOP/s on cpu")


def test_programs_read_the_same(weights: Path) -> None:
    report = examine(None, [weights], "cpu", 1.0)
    held = json.loads(as_json(report))
    assert {finding["instrument"] for finding in held["findings"] if finding["ready"]} == ready(report)
    assert held["rate"] == 1000
    assert held["findings"][1]["files"][0]["licence"]


def test_the_command(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluation", "doctor", "--weights", str(weights), "--device", "cpu", "--rate", "1"]
    assert cli.main(words) == 0
    assert "ready   dynamic_degree" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["device"] == "cpu"
    assert cli.main([*words[:3], "raft=none.pth"]) == 2
    assert "weights: raft=none.pth: there is no such file" in capsys.readouterr().err
    assert "doctor" in ACTIONS


def test_the_rate_is_measured_or_given() -> None:
    assert measured_rate(torch.device("cpu")) > 0
    with pytest.raises(ValueError, match="rate is -1; it must be positive"):
        examine(None, device="cpu", rate=-1)


def test_evaluate_takes_the_same_words(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that are no weights are a reason, and the rest is scored."""
    manifest = write_study(tmp_path, {"a": intact}, frames=6)
    names = ["--metrics", "frame_difference", "--no-baselines"]
    assert cli.main(["evaluate", str(manifest), "--weights", str(weights), "--device", "cpu", *names]) == 0
    capsys.readouterr()
    asked = ["evaluate", str(manifest), "--weights", str(weights), "--device", "cpu", "--metrics", "dynamic_degree"]
    assert cli.main(asked) == 2
    assert "raft-things.pth cannot be read as a file of tensors" in capsys.readouterr().err
