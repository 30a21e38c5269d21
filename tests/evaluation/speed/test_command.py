"""`reward-forcing benchmark` from the command line, on the shipped toy student."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reward_forcing import cli

SMALL = ("--chunks", "5", "--repeats", "1", "--device", "cpu")
THEIRS = """
import torch

def start():
    waves = torch.sin(torch.linspace(0, 6, 32))
    for index in range(5):
        yield (127 + 100 * waves[:, None] * waves.roll(index)).to(torch.uint8).expand(1, 3, 3, 32, 32)

def large():
    yield torch.zeros(1, 3, 3, 64, 64)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working folder with streams of others in it."""
    (tmp_path / "visitors.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("visitors", None)


def read(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "speed.json").read_text())
    return found


def test_alone_it_times_the_shipped_student(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "speed: runs/benchmark/speed.json" in said
    assert "Remark: ema: only 1 runs count" in said
    (cell,) = read("runs/benchmark")["cells"]
    assert cell["cell"] == "ema"
    assert cell["quality"]["verdict"] == "plausible"
    assert cell["figures"]["fps"] > 0


def test_options_arrive() -> None:
    words = ["--sink", "none", "ema", "--window", "6", "--seed", "4", "--warmups", "2", "--scope", "codec"]
    more = ["--playback", "24", "--buffer", "0.5", "--prompt", "blue cross fast plain", "--out", "there"]
    assert cli.main(["benchmark", *SMALL, *words, *more]) == 0
    content = read("there")
    assert [cell["cell"] for cell in content["cells"]] == ["none window=6", "ema window=6"]
    for cell in content["cells"]:
        assert (cell["playback"], cell["buffer"], cell["ramp"]) == (24, 0.5, 2)
        assert [*cell["scopes"]] == ["codec"]
        assert (cell["settings"]["seed"], cell["settings"]["prompt"]) == (4, "blue cross fast plain")
        assert cell["settings"]["window_frames"] == 6
    assert content["environment"]["warmups"] == 2


def test_others_alone_and_beside_ours() -> None:
    assert cli.main(["benchmark", *SMALL, "--stream", "visitors:start", "--out", "theirs"]) == 0
    content = read("theirs")
    assert [cell["cell"] for cell in content["cells"]] == ["visitors:start"]
    assert content["ceiling"] is None, "nothing is known of their work"
    assert content["cells"][0]["playback"] == 16
    beside = ["benchmark", *SMALL, "--sink", "ema", "--stream", "visitors:start", "--against", "theirs/speed.json"]
    assert cli.main([*beside, "--out", "both"]) == 0
    assert [cell["cell"] for cell in read("both")["cells"]] == ["visitors:start", "visitors:start (theirs/speed.json)"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stream", "visitors:stop"], "visitors has no function 'stop'"),
        (["--stream", "visitors:start", "visitors:large"], "differ in height (32, 64), width (32, 64)"),
        (["nowhere.safetensors"], "nowhere.safetensors is not there"),
        (["--sink", "none", "--decay", "0.5"], "sink.decay is 0.5; sink=none has no such value"),
        (["--prompt", "a fox"], "a fox"),
        (["--chunks", "0"], "chunks is 0; it must be at least 1"),
        (["--against", "nowhere"], "there is no such file; `reward-forcing benchmark` writes one"),
    ],
)
def test_refusals_are_one_message(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", *SMALL, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("reward-forcing: ")
    assert said in error
    assert not Path("runs").exists()


def test_insisting_sets_them_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", *SMALL, "--force", "--stream", "visitors:start", "visitors:large"]) == 0
    assert "differ in height (32, 64)" in capsys.readouterr().out.replace("\n", " ")
    assert [cell["settings"]["height"] for cell in read("runs/benchmark")["cells"]] == [32, 64]
