"""Faults while videos are made and judged, through the command line."""

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reward_forcing import cli
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in a folder with a blank and letters of other alphabets."""
    folder = tmp_path_factory.mktemp("mit Leerzeichen") / "ünïcödé 日本"
    folder.mkdir()
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes())


SECRET = "hf_thisIsNobodysBusiness"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond so many bytes of a file fails, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def generate(student: Path, out: Path, *more: str) -> int:
    return cli.main(["generate", str(student), "--prompts", *PROMPTS, "--out", str(out), "--device", "cpu", *more])


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_writer_that_fails_leaves_whole_videos_only_and_can_go_on(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert generate(student, out, "--frames", "200", "--batch", "1", "--seeds", "0") == 0
    whole = {path.name: path.read_bytes() for path in (out / "videos").iterdir()}
    capsys.readouterr()
    with largest_file(8000):
        assert generate(student, out, "--frames", "200", "--batch", "1", "--seeds", "1") == 1
    assert "make room, then give the same command again" in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in (out / "videos").iterdir() if not path.name.startswith(".")}
    assert after == whole, "what was there is as it was, nothing half done beside it"
    assert len(lines(out)) == len(PROMPTS)
    assert generate(student, out, "--frames", "200", "--batch", "1", "--seeds", "1") == 0
    assert len(lines(out)) == 2 * len(PROMPTS)
    assert not [path for path in (out / "videos").iterdir() if path.name.startswith(".")]


def test_huge_prompts_are_refused_in_few_words(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huge = "x" * 1_000_000
    assert cli.main(["generate", str(student), "--prompts", huge, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "toy prompt 'xxx" in said
    assert "allowed: red" in said
    assert len(said) < 4000


def test_hub_ids_that_are_not_cached_are_refused_without_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cli.main(["generate", "nobody/nothing", "--prompts", "x", "--out", str(tmp_path)]) == 2
    assert "nobody/nothing is neither a file here nor in the hub's cache" in capsys.readouterr().err


def test_from_streaming_to_a_report_in_a_folder_with_blanks_and_other_alphabets(
    student: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    out = student.parent / "out put"
    assert generate(student, out, "--frames", "20", "--cell", "zwölf <b>") == 0
    assert cli.main(["evaluate", str(out / "manifest.jsonl"), "--metrics", "palette_drift", "--device", "cpu"]) == 0
    assert cli.main(["report", str(out)]) == 0
    said = capsys.readouterr()
    assert str(out / "report.html") in said.out.replace("\n", "")
    assert SECRET not in said.out + said.err
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert "zwölf &lt;b&gt;" in (out / "report.html").read_text(encoding="utf-8")


def test_memory_that_is_short_comes_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "make", str(tmp_path / "out"), "--clips", "1", "--frames", str(10**12)]) == 1
    assert "memory is short" in capsys.readouterr().err
