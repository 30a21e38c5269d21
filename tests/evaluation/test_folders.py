"""Folders become manifests and manifests folders; nothing is lost on the way, and what cannot be used is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.folders import (
    export_plain,
    find_videos,
    frame_rate,
    import_folder,
    missing_videos,
    read_prompts_file,
    write_entries,
)
from evaluation.manifest import Entry, read_manifest
from evaluation.vbench.suites import suite_of
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.vbench.vbench_copy import ENTRIES


def make(path: Path, fps: float = 8) -> Path:
    """A video of grey frames, a little different from all others."""
    level = sum(path.name.encode()) % 256
    write_clip(path, Clip(torch.full((3, 3, 16, 16), level, dtype=torch.uint8), fps))
    return path


def note(beside: Path, **content: Any) -> None:
    beside.with_suffix(".json").write_text(json.dumps(content))


def told(entries: tuple[Entry, ...]) -> list[tuple[str, str, int, float]]:
    return [(entry.cell, entry.prompt, entry.seed, entry.fps) for entry in entries]


def test_names_tell_prompts_and_seeds(tmp_path: Path) -> None:
    for name in ("a fox-10.mp4", "a fox-2.mp4", "b/a close-up.mkv"):
        make(tmp_path / "mine" / name, fps=16)
    found = import_folder(tmp_path / "mine")
    assert found.skipped == {}
    assert told(found.entries) == [
        ("mine", "a fox", 2, 16),
        ("mine", "a fox", 10, 16),
        ("mine", "a close-up", 0, 16),
    ]


def test_notes_go_first(tmp_path: Path) -> None:
    known = {"prompt": "a fox", "seed": 7, "cell": "ema", "fps": 24, "metadata": {"sink": "ema"}, "steps": 4}
    note(make(tmp_path / "x-1.mp4"), video="videos/x.mp4", **known)
    [entry] = import_folder(tmp_path).entries
    assert told((entry,)) == [("ema", "a fox", 7, 24)]
    assert entry.metadata == {"sink": "ema", "steps": 4}
    [entry] = import_folder(tmp_path, cell="mine", fps=12).entries
    assert entry.metadata == {"sink": "ema", "steps": 4}
    assert told((entry,)) == [("mine", "a fox", 7, 12)], "what is asked for goes before what is noted"


def test_a_file_of_prompts_is_in_natural_order(tmp_path: Path) -> None:
    for i in (10, 9, 8):
        make(tmp_path / f"video{i}.mp4")
    (tmp_path / "prompts.txt").write_text("a fox\na bear\na fox\n")
    found = import_folder(tmp_path, cell="c", prompts=tmp_path / "prompts.txt")
    assert told(found.entries) == [("c", "a fox", 0, 8), ("c", "a bear", 0, 8), ("c", "a fox", 1, 8)]
    named = {"video8.mp4": "x", "video9.mp4": "y", str(Path("video10.mp4")): "z", "other.mp4": "unused"}
    (tmp_path / "prompts.json").write_text(json.dumps(named))
    found = import_folder(tmp_path, prompts=tmp_path / "prompts.json")
    assert [entry.prompt for entry in found.entries] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "one\ntwo", "p.txt has 2 lines, .* has 1 videos; one a video"),
        ("p.json", "[1]", "p.json is no JSON object"),
        ("p.json", "{", "p.json is no JSON object"),
        ("p.json", "{}", "p.json has no prompt for a.mp4 and 0 others"),
    ],
)
def test_files_of_prompts_that_do_not_fit(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"prompts: .*{message}"):
        read_prompts_file(tmp_path / name, [tmp_path / "a.mp4"], tmp_path)
    with pytest.raises(ValueError, match="prompts: .* is not a file"):
        read_prompts_file(tmp_path / "nowhere", [], tmp_path)


def test_previews_and_hidden_files_are_no_videos(tmp_path: Path) -> None:
    seen = [make(tmp_path / "a.mkv"), tmp_path / "b.gif"]
    for name in ("a.gif", "b.gif", "a.png", ".c.partial.mkv", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    make(tmp_path / ".cache/d.mkv")
    assert find_videos(tmp_path) == seen


def test_folders_without_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video is there; allowed: .mp4, .mkv"):
        import_folder(tmp_path)
    with pytest.raises(ValueError, match="there is no such folder"):
        import_folder(tmp_path / "nowhere")


def test_bad_videos_do_not_stop_the_rest(tmp_path: Path) -> None:
    make(tmp_path / "good.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    make(tmp_path / "good-0.mp4")
    make(tmp_path / "list.mp4").with_suffix(".json").write_text("[]")
    make(tmp_path / "torn.mp4").with_suffix(".json").write_text("{")
    note(make(tmp_path / "wrong.mp4"), seed="3")
    note(make(tmp_path / "bool.mp4"), seed=True)
    found = import_folder(tmp_path)
    assert [entry.video.name for entry in found.entries] == ["good-0.mp4", "good.mp4"]
    reasons = {video.name: reason for video, reason in found.skipped.items()}
    assert reasons.keys() == {"broken.mp4", "list.mp4", "torn.mp4", "wrong.mp4", "bool.mp4"}
    assert reasons["broken.mp4"].startswith("not a readable video")
    assert reasons["wrong.mp4"] == "wrong.json beside it says seed = '3'"
    assert reasons["torn.mp4"].startswith("torn.json beside it is no JSON")


def test_videos_that_are_the_same_are_listed_once(tmp_path: Path) -> None:
    for name in ("x/a-0.mp4", "y/a-0.mp4"):
        make(tmp_path / name)
    found = import_folder(tmp_path)
    assert len(found.entries) == 1
    assert found.skipped == {tmp_path / "y/a-0.mp4": "cell, prompt and seed are those of a-0.mp4"}


def test_official_folders(tmp_path: Path) -> None:
    suite = suite_of(json.dumps(ENTRIES), "x")
    for name in ("a red kite-0.mp4", "a red kite-1.mp4", "a castle-0.mp4", "a still pond.mp4"):
        make(tmp_path / name)
    plainly = import_folder(tmp_path, official=True)
    assert [entry.metadata for entry in plainly.entries] == [{"sample": 0}, {"sample": 0}, {"sample": 1}]
    assert list(plainly.skipped.values()) == ["its name does not end in -<sample>, as VBench's do"]
    found = import_folder(tmp_path, suite=suite)
    assert [(e.prompt, e.seed) for e in found.entries] == [("a red kite", 0), ("a red kite", 1)]
    assert found.entries[1].metadata == {
        "sample": 1,
        "vbench": {"dimensions": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    }
    assert found.skipped[tmp_path / "a castle-0.mp4"] == "'a castle' is no prompt of VBench"
    missing = missing_videos(found.entries, suite, samples=2)
    assert missing == [], "of the other dimensions there is no video at all"
    assert missing_videos(found.entries[:1], suite, samples=3) == ["a red kite-1.mp4", "a red kite-2.mp4"]


def test_manifests_are_read_back(tmp_path: Path) -> None:
    make(tmp_path / "videos/a-3.mp4")
    found = import_folder(tmp_path / "videos", cell="c")
    write_entries(tmp_path / "lists/manifest.jsonl", found.entries)
    [entry] = read_manifest(tmp_path / "lists/manifest.jsonl")
    assert entry.video.resolve() == found.entries[0].video.resolve()
    assert entry.key == ("c", "a", 3)
    with pytest.raises(ValueError, match="is there already; choose another"):
        write_entries(tmp_path / "lists/manifest.jsonl", found.entries)


def test_there_and_back(tmp_path: Path) -> None:
    """From names to a manifest, to a folder with notes, to the same manifest."""
    for name in ("a fox, at night-0.mp4", "a fox, at night-7.mp4", "x_y-2.mkv"):
        make(tmp_path / "mine" / name)
    first = import_folder(tmp_path / "mine", cell="two words").entries
    exported = export_plain(first, tmp_path / "out")
    entries = read_manifest(exported)
    assert told(entries) == told(first)
    again = import_folder(tmp_path / "out/videos").entries
    assert sorted(told(again)) == sorted(told(first))
    assert all(a.video.samefile(b.video) for a, b in zip(first, entries, strict=True)), "hard links cost nothing"
    assert export_plain(first, tmp_path / "out") == exported


def test_cells_that_names_cannot_tell_apart(tmp_path: Path) -> None:
    video = make(tmp_path / "a.mp4")
    entries = [Entry(video, "x", 0, cell, 8) for cell in ("a b", "a_b")]
    with pytest.raises(ValueError, match="cells differ in nothing but space and underscore"):
        export_plain(entries, tmp_path / "out")


def test_frame_rates(tmp_path: Path) -> None:
    assert frame_rate(make(tmp_path / "a.mp4", fps=16)) == 16
    with pytest.raises(ValueError, match="not a readable video"):
        frame_rate(tmp_path / "nowhere.mp4")
