"""A job of a sweep that asks for two devices: a torchrun of its own, started by the sweep."""

import json
from pathlib import Path

import pytest

from reward_forcing import train
from tests import small_recipes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_a_job_of_two_devices_is_done_by_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}.items():
        monkeypatch.setenv(name, value)
    small_recipes.write_parts(tmp_path / "parts")
    given = small_recipes.overrides("reward_forcing_1_3b", tmp_path / "parts", tmp_path / "sweep", processes=2)
    status = train.main(["-m", *given, "trainer.max_steps=1", "seed=0"])
    assert status == 0, (tmp_path / "sweep/log.txt").read_text()[-3000:]
    assert "finished" in capsys.readouterr().out
    assert (tmp_path / "sweep/student.safetensors").exists()
    assert json.loads((tmp_path / "sweep/summary.json").read_text())["steps"] == 1
    assert (tmp_path / "sweep/checkpoints/last.ckpt/.metadata").exists(), "a checkpoint in parts: it was sharded"
