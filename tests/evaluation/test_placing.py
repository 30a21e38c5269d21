"""Files are brought to folders once, whole, and never mixed with others."""

import os
from pathlib import Path

import pytest

from evaluation import placing
from evaluation.placing import link, put


def source(path: Path, text: str = "one") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_links_where_they_can_be_else_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = source(tmp_path / "one.mp4")
    link(one, tmp_path / "linked.mp4")
    assert one.samefile(tmp_path / "linked.mp4")

    def refuse(*_: object) -> None:
        raise OSError(18, "another device")

    monkeypatch.setattr(os, "link", refuse)
    put(tmp_path / "out", {"copied.mp4": one})
    copied = tmp_path / "out/copied.mp4"
    assert not one.samefile(copied)
    assert copied.read_text() == "one"
    assert copied.stat().st_mtime_ns == one.stat().st_mtime_ns


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    made: list[str] = []

    def shout(given: Path, target: Path) -> None:
        made.append(given.name)
        target.write_text(given.read_text().upper())

    one = source(tmp_path / "one.mkv")
    for _ in range(2):
        put(tmp_path / "out", {"a.mp4": one}, shout)
    assert made == ["one.mkv"]
    assert (tmp_path / "out/a.mp4").read_text() == "ONE"
    source(one, "two")
    os.utime(one, ns=(1, 1))
    put(tmp_path / "out", {"a.mp4": one}, shout)
    assert (tmp_path / "out/a.mp4").read_text() == "TWO"


def test_a_changed_video_is_replaced(tmp_path: Path) -> None:
    put(tmp_path / "out", {"a.mp4": source(tmp_path / "one.mp4")})
    put(tmp_path / "out", {"a.mp4": source(tmp_path / "two.mp4", "another")})
    assert (tmp_path / "out/a.mp4").read_text() == "another"
    assert (tmp_path / "one.mp4").read_text() == "one"


def test_other_videos_are_not_mixed_in(tmp_path: Path) -> None:
    source(tmp_path / "out/old.mp4")
    source(tmp_path / "out/.hidden.mp4")
    source(tmp_path / "out/notes.txt")
    with pytest.raises(ValueError, match=r"out holds 1 other videos \(old.mp4, ...\); choose an empty folder"):
        put(tmp_path / "out", {"a.mp4": source(tmp_path / "one.mp4")})
    (tmp_path / "out/old.mp4").unlink()
    put(tmp_path / "out", {"a.mp4": tmp_path / "one.mp4"})


def test_an_interrupted_copy_leaves_no_video(tmp_path: Path) -> None:
    def stop(_: Path, target: Path) -> None:
        target.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(tmp_path / "out", {"a.mp4": source(tmp_path / "one.mp4")}, stop)
    assert not (tmp_path / "out/a.mp4").exists()
    put(tmp_path / "out", {"a.mp4": tmp_path / "one.mp4"})
    assert (tmp_path / "out/a.mp4").read_text() == "one"
    assert placing.VIDEOS[0] == ".mp4"
