"""What streams and interrupted commands leave behind: nothing."""

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from reward_forcing import cli
from reward_forcing.streaming import Equipment, load_streamer
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student

pytestmark = pytest.mark.filterwarnings("ignore")
CHUNKS, WARM = 24, 8
"""Chunks; after so many the window is full and the sink has begun to fold."""


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaks")
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes("sink.decay=0.5", "rollout=official"))


@pytest.fixture
def nothing_old() -> Iterator[None]:
    """What was there before a test is no concern of the garbage collector."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def held() -> tuple[int, int]:
    """How many tensors there are, and the bytes they hold; each storage counts once."""
    gc.collect()
    tensors = [found for found in gc.get_objects() if isinstance(found, Tensor)]
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return len(tensors), sum(storages.values())


@pytest.mark.usefixtures("nothing_old")
@pytest.mark.parametrize("end", ["closed", "failed"])
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_memory_does_not_grow_and_goes_with_its_stream(engine: str, end: str, student: Path) -> None:
    streamer = load_streamer(student, equipment=Equipment(overrides=[f"engine={engine}"]))
    list(streamer.stream(PROMPTS[:1], [0], chunks=WARM))  # tables of positions stay
    before = held()
    stream: Any = streamer.stream(PROMPTS[:1], [1])
    seen = [held() for _ in range(CHUNKS) if next(stream).isfinite().all()]
    assert seen[WARM][1] > before[1], "there is a memory"
    assert set(seen[WARM:]) == {seen[WARM]}
    if end == "closed":
        stream.close()
    else:
        with pytest.raises(OSError, match="no space"):
            stream.throw(OSError("no space"))
    assert held() == before


@contextmanager
def interrupted(videos: Path) -> Iterator[None]:
    """Ctrl-C once something is written in a folder."""
    done = threading.Event()

    def wait() -> None:
        while not done.wait(0.01):
            if any(videos.glob(".*")):
                os.kill(os.getpid(), signal.SIGINT)
                return

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, handler)


def resources() -> tuple[int, int, list[str]]:
    """Threads, open files and child processes."""
    gc.collect()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), children


def test_a_command_that_is_interrupted_leaves_no_thread_file_or_half_a_video(student: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["generate", str(student), "--prompts", *PROMPTS, "--frames", "100000", "--device", "cpu"]
    before = resources()
    with interrupted(out / "videos"):
        assert cli.main([*given, "--out", str(out)]) == 130
    assert resources() == before
    assert not [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
