"""Other interpreters: found or refused, run with a log, stopped in time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluation.vbench.interpreter import clean_environment, ending, find_interpreter, hint, run_logged
from tests.evaluation.vbench.standin import write_interpreter


def test_an_interpreter_with_the_package(tmp_path: Path) -> None:
    program = write_interpreter(tmp_path)
    found = find_interpreter(str(program))
    assert (found.python, found.version) == (str(program), "0.1.5")
    assert found.runs == sys.version.split()[0]
    assert found.full_info == tmp_path / "site/vbench/VBench_full_info.json"


def test_paths_hold_in_other_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in folders of their own; an environment's program is a link that must not be followed."""
    program = write_interpreter(tmp_path)
    (tmp_path / "linked").symlink_to(program)
    monkeypatch.chdir(tmp_path)
    found = find_interpreter("./linked")
    assert found.python == str(tmp_path / "linked")
    (tmp_path / "elsewhere").mkdir()
    assert not run_logged([found.python, "-c", "import vbench"], tmp_path / "elsewhere/log.txt")


def test_programs_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_interpreter(tmp_path).rename(tmp_path / "python-with-vbench")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_interpreter("python-with-vbench").python == str(tmp_path / "python-with-vbench")


def test_a_package_that_talks_and_has_no_version(tmp_path: Path) -> None:
    program = write_interpreter(tmp_path, "print('welcome')")
    (tmp_path / "site/vbench-0.1.5.dist-info/METADATA").unlink()
    (tmp_path / "site/vbench-0.1.5.dist-info").rmdir()
    assert find_interpreter(str(program)).version == "unknown"


def test_what_is_no_program() -> None:
    with pytest.raises(ValueError, match="--python: /nowhere/python is no program; name the interpreter"):
        find_interpreter("/nowhere/python")


def test_an_interpreter_without_the_package(tmp_path: Path) -> None:
    program = write_interpreter(tmp_path, "import pkg_resources_is_gone")
    with pytest.raises(
        ValueError, match=r"cannot import vbench \(a library is missing there; see the recipe\):"
    ) as told:
        find_interpreter(str(program))
    assert "    ModuleNotFoundError: No module named 'pkg_resources_is_gone'\n" in str(told.value)
    (tmp_path / "site/vbench/__init__.py").write_text("raise ImportError(\"No module named 'pkg_resources'\")")
    with pytest.raises(ValueError, match=r"cannot import vbench \(install `setuptools<81` there\)"):
        find_interpreter(str(program))


def test_an_interpreter_that_hangs(tmp_path: Path) -> None:
    program = write_interpreter(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ValueError, match="does not run .*timed out"):
        find_interpreter(str(program), seconds=0.3)


def test_commands_are_logged(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    code = "import os, sys; print(os.getcwd()); print('beside', file=sys.stderr)"
    assert not run_logged([sys.executable, "-c", code], log)
    assert log.read_text().splitlines() == [str(tmp_path), "beside"]


def test_failures_end_with_the_log(tmp_path: Path) -> None:
    code = "for i in range(20): print('line', i)\nraise SystemExit('RuntimeError: out of memory')"
    told = run_logged([sys.executable, "-c", code], tmp_path / "log.txt")
    assert told.startswith(
        f"exit status 1; {tmp_path / 'log.txt'} (use a GPU with more memory, or shorter videos) ends"
    )
    assert told.splitlines()[1:] == [f"    line {i}" for i in range(13, 20)] + ["    RuntimeError: out of memory"]


def test_time_ends_everything_that_was_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    started = time.monotonic()
    told = run_logged([sys.executable, "-c", code], tmp_path / "log.txt", seconds=1.5)
    assert told.startswith("it took longer than 1.5 s (--timeout);")
    assert time.monotonic() - started < 20
    child = int((tmp_path / "log.txt").read_text())
    assert gone(child)


def test_stopping_us_stops_what_we_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    wait = subprocess.Popen.wait

    def interrupted(self: "subprocess.Popen[bytes]", timeout: float | None = None) -> int:
        if not started:
            started.append(self.pid)
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_logged([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log.txt")
    monkeypatch.undo()
    assert gone(started[0])


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("ModuleNotFoundError: No module named 'detectron2'", "detectron2, which is not on the registry"),
        ("ModuleNotFoundError: No module named 'easydict'", "a library is missing there"),
        ("AttributeError: _ARRAY_API not found", "`numpy<2`"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'wget'", "install wget"),
        ("AssertionError: Torch not compiled with CUDA enabled", "--device cpu"),
        ("RuntimeError: Found no NVIDIA driver on your system", "--device cpu"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "more memory"),
    ],
)
def test_known_complaints_come_with_advice(line: str, advice: str) -> None:
    assert advice in hint(f"Traceback\n  ...\n{line}\n")


def gone(process: int) -> bool:
    """Whether a process has ended; one that nobody has waited for counts as ended."""
    for _ in range(50):
        listed = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
        if not listed.stdout.strip() or listed.stdout.startswith("Z"):
            return True
        time.sleep(0.1)
    return False


def test_our_libraries_stay_at_home() -> None:
    known = {"PATH": "/bin", "PYTHONPATH": "/ours", "VIRTUAL_ENV": "/ours", "HF_HOME": "/data"}
    assert clean_environment(known) == {"PATH": "/bin", "HF_HOME": "/data", "PYTHONUNBUFFERED": "1"}
    assert "PATH" in clean_environment(os.environ)


def test_logs_are_shown_from_their_end() -> None:
    assert ending("a\n\nb\n") == "    a\n    b"
    assert hint("all is well") == ""
