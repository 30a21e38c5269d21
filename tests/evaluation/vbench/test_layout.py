"""Manifests in VBench's layout, and back."""

from pathlib import Path

import pytest
import torch

from evaluation.folders import import_folder
from evaluation.manifest import Entry, read_manifest
from evaluation.vbench.layout import Sample, cell_of, encoded, export_official, is_case_sensitive, number
from reward_forcing.videos import Clip, read_clip, write_clip


def entry(prompt: str, seed: int, folder: Path = Path(), cell: str = "ema", suffix: str = ".mp4") -> Entry:
    return Entry(folder / f"{len(prompt)}-{seed}{suffix}", prompt, seed, cell, 8)


def made(one: Entry, size: int = 16) -> Entry:
    levels = torch.linspace(0, 200, 4).to(torch.uint8)[:, None, None, None]
    write_clip(one.video, Clip(levels.expand(4, 3, size, size).contiguous(), one.fps))
    return one


def names(samples: list[Sample]) -> list[str]:
    return [sample.name for sample in samples]


def test_seeds_become_numbers() -> None:
    assert names(number([entry("a", seed) for seed in (300, 7, 100)])) == ["a-0.mp4", "a-1.mp4", "a-2.mp4"]
    assert names(number([entry("a", seed) for seed in (4, 2)])) == ["a-2.mp4", "a-4.mp4"], "numbers stay numbers"
    both = number([entry("a", 0), entry("b", 9), entry("a", 1)])
    assert names(both) == ["a-0.mp4", "a-1.mp4", "b-0.mp4"]


def test_more_videos_than_are_looked_for() -> None:
    many = [entry("a", seed) for seed in range(6)]
    with pytest.raises(ValueError, match="'a' has 6 videos, of which VBench would see 5; .*--samples"):
        number(many)
    assert names(number(many, samples=25))[-1] == "a-5.mp4"


def test_short_prompts_name_files() -> None:
    rewritten = entry("a fox, told at length", 0)
    noted = Entry(Path("x.mp4"), "a bear at length", 0, "ema", 8, {"official_prompt": "a bear"})
    found = number([rewritten, noted], {"a fox, told at length": "a fox", "a bear at length": "another"})
    assert names(found) == ["a fox-0.mp4", "a bear-0.mp4"]


def test_one_cell_at_a_time() -> None:
    entries = [entry("a", 0, cell=cell) for cell in ("none", "ema")]
    assert cell_of(entries, "ema") == entries[1:]
    assert cell_of(entries[:1], None) == entries[:1]
    with pytest.raises(ValueError, match=r"several cells; name one \(--cell\): none, ema"):
        cell_of(entries, None)
    with pytest.raises(ValueError, match="cell: 'sink' is not in the manifest; allowed: none, ema"):
        cell_of(entries, "sink")


def test_there_and_back(tmp_path: Path) -> None:
    entries = [made(entry(prompt, seed, tmp_path)) for prompt in ("a fox", "a close-up 3") for seed in (11, 5)]
    manifest = export_official(number(entries), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/videos").iterdir()) == [
        "a close-up 3-0.mp4",
        "a close-up 3-1.mp4",
        "a fox-0.mp4",
        "a fox-1.mp4",
    ], "nothing but videos: the official package takes the ending of the first file it sees"
    noted = read_manifest(manifest)
    assert {e.key for e in noted} == {e.key for e in entries}, "the true seeds are in the manifest"
    assert noted[0].metadata == {"official_prompt": "a fox", "sample": 0}
    found = import_folder(tmp_path / "out/videos", cell="ema", official=True)
    assert {(e.prompt, e.seed) for e in found.entries} == {(e.prompt, e.metadata["sample"]) for e in noted}
    again = export_official(number(found.entries), tmp_path / "again")
    assert {e.video.name for e in read_manifest(again)} == {e.video.name for e in noted}


def found_officially(folder: Path, prompts: list[str]) -> dict[str, list[str]]:
    """The videos that the official package finds, in our words: five names a prompt, ending as the first file does."""
    listed = [path.name for path in folder.iterdir()]
    ending = Path(listed[0]).suffix
    return {prompt: [name for i in range(5) if (name := f"{prompt}-{i}{ending}") in listed] for prompt in prompts}


def test_the_official_package_finds_all_videos(tmp_path: Path) -> None:
    wanted = {"a fox, at night": [9, 3, 7], "a fox": [0, 4], "Ein Bär: wohin?": [1]}
    entries = [made(entry(prompt, seed, tmp_path)) for prompt, seeds in wanted.items() for seed in seeds]
    export_official(number(entries), tmp_path / "out")
    assert found_officially(tmp_path / "out/videos", list(wanted)) == {
        "a fox, at night": [f"a fox, at night-{i}.mp4" for i in range(3)],
        "a fox": ["a fox-0.mp4", "a fox-4.mp4"],
        "Ein Bär: wohin?": ["Ein Bär: wohin?-1.mp4"],
    }


def test_exporting_again_forgets_what_was(tmp_path: Path) -> None:
    entries = [made(entry("a", seed, tmp_path)) for seed in (0, 1)]
    export_official(number(entries), tmp_path / "out")
    with pytest.raises(ValueError, match=r"videos holds 1 other videos \(a-1.mp4"):
        export_official(number(entries[:1]), tmp_path / "out")
    (tmp_path / "out/videos/a-1.mp4").unlink()
    assert len(read_manifest(export_official(number(entries[:1]), tmp_path / "out"))) == 1


def test_other_videos_are_encoded_on_request(tmp_path: Path) -> None:
    lossless = made(entry("a", 0, tmp_path, suffix=".mkv"))
    with pytest.raises(ValueError, match="1-0.mkv and 0 others are no MP4, .*--format mp4.*--encode"):
        export_official(number([lossless]), tmp_path / "out")
    also = made(entry("bb", 0, tmp_path))
    export_official(number([lossless, also]), tmp_path / "out", encode=True)
    clip = read_clip(tmp_path / "out/videos/a-0.mp4")
    assert clip.fps == 8
    assert (clip.frames.float() - read_clip(lossless.video).frames.float()).abs().max() < 4
    assert also.video.samefile(tmp_path / "out/videos/bb-0.mp4")


def test_videos_that_cannot_be_encoded(tmp_path: Path) -> None:
    odd = made(entry("a", 0, tmp_path, suffix=".mkv"), size=15)
    with pytest.raises(ValueError, match="15 x 15 pixels; MP4 needs even numbers"):
        encoded(odd.video, tmp_path / "x.mp4", 8)
    (tmp_path / "broken.mkv").write_bytes(b"?")
    with pytest.raises(ValueError, match="broken.mkv: not a readable video"):
        encoded(tmp_path / "broken.mkv", tmp_path / "x.mp4", 8)


def test_names_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    twins = [made(entry(prompt, seed, tmp_path)) for seed, prompt in enumerate(("A fox", "a fox"))]
    samples = [Sample(twin, twin.prompt, 0) for twin in twins]
    with pytest.raises(ValueError, match="'A fox-0.mp4' = 'a fox-0.mp4'.*--case-sensitive"):
        export_official(samples, tmp_path / "out")
    assert not list((tmp_path / "out/videos").iterdir())
    if is_case_sensitive(tmp_path):
        export_official(samples, tmp_path / "out", portable=False)
        assert len(list((tmp_path / "out/videos").iterdir())) == 2
    with pytest.raises(ValueError, match="is no file name: no slash"):
        export_official(number([made(entry("9/11", 0, tmp_path))]), tmp_path / "other")


def test_the_file_system_is_asked(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert is_case_sensitive(tmp_path) == (not (tmp_path / "X").exists())
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
