"""Real files on a real disk; processes that write are really killed."""

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.safekeeping import aside, damage, digest, point_to, publish, remove, seal_of, write_text


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside(path).write_bytes(content)
    publish(path)
    return path


def put_folder(path: Path, **contents: bytes) -> Path:
    for name, content in contents.items():
        aside(path).mkdir(parents=True, exist_ok=True)
        (aside(path) / name).write_bytes(content)
    publish(path)
    return path


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Files cannot grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_published_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = put(tmp_path / "a.bin", b"content")
    assert path.read_bytes() == b"content"
    assert damage(path) == ""
    assert {file.name for file in tmp_path.iterdir()} == {"a.bin", "a.bin.sha256"}


def test_a_digest_is_what_sha256sum_checks(tmp_path: Path) -> None:
    put(tmp_path / "step=3.ckpt", bytes(range(256)))
    subprocess.run(["sha256sum", "--check", "--strict", "step=3.ckpt.sha256"], cwd=tmp_path, check=True)


@given(content=st.binary(min_size=1, max_size=50), data=st.data())
def test_every_changed_or_missing_byte_is_found(content: bytes, data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "a", content)
        place = data.draw(st.integers(0, len(content) - 1))
        changed = bytes([content[place] ^ data.draw(st.integers(1, 255))])
        for wrong in (content[:place], content[:place] + changed + content[place + 1 :], content + b"\0"):
            path.write_bytes(wrong)
            assert damage(path) == "it is damaged: its SHA-256 is not the one in a.sha256"
        path.write_bytes(content)
        assert damage(path) == ""


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    path = put_folder(tmp_path / "shares", a=b"1", b=b"2")
    assert damage(path) == ""
    (path / "b").rename(path / "c")
    assert "damaged" in damage(path)
    (path / "c").rename(path / "b")
    assert damage(path) == ""
    (path / "more").write_bytes(b"")
    assert "damaged" in damage(path)
    put_folder(path, a=b"new")
    assert [file.name for file in path.iterdir()] == ["a"]
    assert damage(path) == ""


def test_missing_and_unsealed_files(tmp_path: Path) -> None:
    assert damage(tmp_path / "nowhere") == "it is missing"
    (tmp_path / "link").symlink_to("nowhere")
    assert damage(tmp_path / "link") == "it is missing"
    (tmp_path / "old").write_bytes(b"from before there were digests")
    assert damage(tmp_path / "old") == ""
    put(tmp_path / "new", b"1")
    seal_of(tmp_path / "new").write_text("")
    assert "damaged" in damage(tmp_path / "new")


def test_a_link_is_judged_by_what_it_stands_for(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / name, name.encode())
        point_to(tmp_path / name, tmp_path / "last")
        assert (tmp_path / "last").read_text() == name
    assert damage(tmp_path / "last") == ""
    (tmp_path / "b").write_bytes(b"c")
    assert "b.sha256" in damage(tmp_path / "last")


def test_a_full_disk_leaves_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    write_text(path, "old")
    with full_disk(1000), pytest.raises(OSError, match="large"):
        write_text(path, "new" * 1000)
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    put(tmp_path / "a", b"1")
    put_folder(tmp_path / "b", c=b"2")
    for name in ("a", "b", "nowhere"):
        remove(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_digest_of_a_folder_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    one, other = put_folder(tmp_path / "one", a=b"1", b=b"2"), put_folder(tmp_path / "other", b=b"2", a=b"1")
    assert digest(one) == digest(other)


def test_a_writer_killed_at_any_instant_leaves_only_whole_files(tmp_path: Path) -> None:
    """A process writes one new file after the other and moves a link; it is killed 10 times."""
    rng, size = random.Random(0), 200_000
    for kill in range(10):
        process = os.fork()
        if not process:
            number = len(list(tmp_path.glob("*.ckpt")))
            while True:
                path = put(tmp_path / f"{number}.ckpt", random.randbytes(size))
                point_to(path, tmp_path / "last")
                write_text(tmp_path / "notes", "x" * (number + 1))
                number += 1
        while len(list(tmp_path.glob("*.ckpt"))) <= kill:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.02))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        found = list(tmp_path.glob("*.ckpt"))
        assert [damage(path) for path in found] == [""] * len(found)
        assert all(path.stat().st_size == size for path in found)
        assert not (tmp_path / "last").is_symlink() or damage(tmp_path / "last") == ""
        notes = (tmp_path / "notes").read_text() if (tmp_path / "notes").exists() else ""
        assert notes == "x" * len(notes)
        assert len(notes) <= len(found)
