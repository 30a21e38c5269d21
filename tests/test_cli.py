"""The console command: helps, refusals, and the real thing from making shards to a report."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reward_forcing import cli
from reward_forcing.arguments import COMMANDS, parser
from reward_forcing.videos import Clip, write_clip
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes())


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"\n    {command}\s", said)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "train"])
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "examples:" in said
    assert f"reward-forcing {command}" in said


def test_help_of_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    assert "groups and their options:" in capsys.readouterr().out


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys\n"
        "from reward_forcing import cli\n"
        "cli.main([])\n"
        "slow = {'torch', 'lightning', 'hydra', 'numpy', 'rich', 'evaluation'} & {*sys.modules}\n"
        "sys.exit(f'imported: {slow}' if slow else 0)\n"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - started < 1.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], f"no command 'trian'; allowed: {', '.join(COMMANDS)}. Did you mean"),
        (["xyz"], "there is no command 'xyz'"),
        (["train", "sink=emma"], "Did you mean ema?"),
        (["generate", "nowhere.safetensors", "--prompts", "x"], "nowhere.safetensors is not there"),
        (["evaluate", "nowhere.jsonl"], "nowhere.jsonl: there is no such manifest"),
        (["report", "nowhere"], "there is no such file"),
        (["data", "inspect", "nowhere"], "nowhere"),
        (["data", "make", "shards", "--clips", "0"], "clips is 0"),
    ],
)
def test_refusals_are_one_message(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("reward-forcing")
    assert "Traceback" not in error


def test_developers_may_ask_for_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="is not there"):
        cli.main(["generate", "nowhere.safetensors", "--prompts", "x"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "x"],
        ["generate", "x", "--prompts", "y", "--switch", "sixty:red"],
        ["generate", "x", "--prompts", "y", "--switch", "60"],
        ["generate", "x", "--prompts", "y", "--frames", "many"],
        ["data"],
        ["data", "paint"],
        ["report"],
    ],
)
def test_wrong_arguments_end_with_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "usage: reward-forcing" in capsys.readouterr().err


def test_ctrl_c_is_no_crash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.RUN, "report", interrupted)
    assert cli.main(["report", "x"]) == 130
    assert "Stopped" in capsys.readouterr().err


def test_endless_and_switched(student: Path, tmp_path: Path) -> None:
    given = parser().parse_args(
        [
            "generate",
            str(student),
            "--prompts",
            "x",
            "--frames",
            "inf",
            "--switch",
            f"60: {PROMPTS[1]}",
            "--out",
            str(tmp_path),
        ]
    )
    assert given.frames is None
    assert given.switch == [(60, PROMPTS[1])]


def test_from_an_export_to_a_report(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    out = tmp_path / "out"
    generated = [
        "generate",
        str(student),
        "--prompts",
        str(tmp_path / "prompts.txt"),
        "--frames",
        "30",
        "--out",
        str(out),
    ]
    assert cli.main([*generated, "--sink", "none", "static", "ema", "--decay", "0.5", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "ema decay=0.5: first frames after" in said
    assert cli.main(["evaluate", str(out / "manifest.jsonl"), "--metrics", "palette_drift", "one_sprite"]) == 0
    assert cli.main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "static" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_data_from_making_to_looking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_runs.write_exports(tmp_path)
    shards, codec = tmp_path / "shards", str(tmp_path / "codec.safetensors")
    assert cli.main(["data", "make", str(shards), "--clips", "4", "--frames", "6"]) == 0
    assert cli.main(["data", "encode", str(shards), str(tmp_path / "latents"), "--codec", codec]) == 0
    capsys.readouterr()
    assert (
        cli.main(["data", "inspect", str(tmp_path / "latents"), "--picture", str(tmp_path / "x.png"), "--verify"]) == 0
    )
    assert "latents.npy" in capsys.readouterr().out
    assert (tmp_path / "x.png").is_file()


def test_trajectories(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "ode-pairs", str(student), str(tmp_path / "pairs"), "--prompts", *PROMPTS, "--steps", "4"]
    assert cli.main(arguments) == 0
    assert "2 trajectories" in capsys.readouterr().out


def test_clips_of_others_become_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_runs.write_exports(tmp_path)
    write_clip(tmp_path / "clips" / "a.mkv", Clip(torch.zeros(6, 3, 40, 40, dtype=torch.uint8), 8.0))
    (tmp_path / "clips" / "a.txt").write_text("a black square")
    form = ["--frames", "5", "--height", "32", "--width", "32", "--fps", "all", "--device", "cpu"]
    codec = ["--codec-option", "toy", "--codec", str(tmp_path / "codec.safetensors")]
    assert cli.main(["data", "shards", str(tmp_path / "clips"), str(tmp_path / "out"), *codec, *form]) == 0
    assert "1 clips encoded, 0 skipped" in capsys.readouterr().out
    assert cli.main(["data", "import-lmdb", str(tmp_path / "clips"), str(tmp_path / "pairs")]) == 2
    assert "is no database" in capsys.readouterr().err


def test_prompts_from_texts_and_files(tmp_path: Path) -> None:
    (tmp_path / "some").write_text("a b\nc d\n")
    assert cli.read_prompts(["x y", str(tmp_path / "some"), "a b"]) == ["x y", "a b", "c d"]
    with pytest.raises(ValueError, match="is not a file"):
        cli.read_prompts([str(tmp_path / "missing.txt")])
    long = "cat " * 700
    assert cli.read_prompts([long]) == [long], "longer than any file's name"
