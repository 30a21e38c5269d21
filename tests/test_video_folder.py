import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from reward_forcing.video_folder import (
    GIF_FRAMES,
    STRIP_PICTURES,
    Glimpses,
    Look,
    VideoBatch,
    VideoFolder,
    settings_digest,
    video_name,
    write_manifest,
)
from reward_forcing.videos import ClipWriter, read_clip

VIDEOS = [("red circle", 0), ("blue cross", 1)]


def frames(count: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (len(VIDEOS), count, 3, 4, 4), generator=rng, dtype=torch.uint8)


def test_videos_grow_together_and_come_back_exactly(tmp_path: Path) -> None:
    parts = [frames(3, seed=index) for index in range(4)]
    with VideoBatch(tmp_path, "ema", VIDEOS, Look(fps=8, scale=2)) as batch:
        for part in parts:
            batch.write(part)
    lines = batch.lines({"sink": "ema"})
    assert [(line["prompt"], line["seed"], line["cell"]) for line in lines] == [
        (*VIDEOS[0], "ema"),
        (*VIDEOS[1], "ema"),
    ]
    for index, line in enumerate(lines):
        assert torch.equal(read_clip(tmp_path / line["video"]).frames, torch.cat(parts, 1)[index])
        assert line["metadata"] == {"frames": 12, "chunks": [3, 3], "sink": "ema"}
        stem = (tmp_path / line["video"]).with_suffix("")
        with Image.open(f"{stem}.gif") as gif:
            assert getattr(gif, "n_frames", 1) == 12
        assert Path(f"{stem}.png").is_file()


def test_what_is_not_whole_has_another_name(tmp_path: Path) -> None:
    batch = VideoBatch(tmp_path, "ema", VIDEOS, Look())

    def interrupted() -> None:
        with batch:
            batch.write(frames(5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / batch.lines({})[0]["video"]).exists()
    assert [len(read_clip(path).frames) for path in (tmp_path / "videos").glob(".*.partial.mkv")] == [5, 5]


@given(st.integers(1, 400), st.integers(1, 7))
def test_glimpses_are_few_and_evenly_spread(length: int, size: int) -> None:
    glimpses = Glimpses()
    for start in range(0, length, size):
        stop = min(start + size, length)
        glimpses.add(
            torch.arange(start, stop, dtype=torch.int16)[:, None, None, None].to(torch.uint8).expand(-1, 3, 1, 1)
        )
    assert len(glimpses.kept) <= 2 * STRIP_PICTURES
    assert len(glimpses.beginning) == min(length, GIF_FRAMES)
    expected = [index % 256 for index in range(0, length, glimpses.stride)]
    assert [int(frame[0, 0, 0]) for frame in glimpses.kept] == expected


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("red circle fast pan-slow", "ema--red_circle_fast_pan-slow-seed3"),
        ("a/b", "ema--a-b-"),
        ("x" * 200, "ema--" + "x" * 75 + "-"),
        ("Käse", "ema--K-se-"),
    ],
)
def test_names_tell_what_it_is(prompt: str, name: str) -> None:
    found = video_name("ema", prompt, 3)
    assert found.startswith(name)
    assert found.endswith("-seed3")
    assert Path(found).name == found


@given(st.lists(st.text("ab _-/.", min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
def test_different_prompts_have_different_names(prompts: list[str]) -> None:
    assert video_name("ema", prompts[0], 0) != video_name("ema", prompts[1], 0)


def test_a_manifest_replaces_what_is_made_again_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "manifest.jsonl"

    def line(cell: str, seed: int, frames: int) -> dict[str, object]:
        return {"cell": cell, "prompt": "red", "seed": seed, "frames": frames}

    write_manifest(path, [line("a", 0, 1), line("a", 1, 2)])
    write_manifest(path, [line("b", 0, 3)])
    write_manifest(path, [line("a", 0, 4)])
    assert [json.loads(text) for text in path.read_text().splitlines()] == [
        line("a", 1, 2),
        line("b", 0, 3),
        line("a", 0, 4),
    ]


def test_large_videos_are_mp4_with_small_previews(tmp_path: Path) -> None:
    with VideoBatch(tmp_path, "ema", VIDEOS[:1], Look(16)) as batch:
        batch.write(torch.full((1, 5, 3, 480, 832), 128, dtype=torch.uint8))
    line = batch.lines({})[0]
    assert line["video"].endswith(".mp4")
    clip = read_clip(tmp_path / line["video"])
    assert clip.frames.shape == (5, 3, 480, 832)
    assert clip.fps == 16
    assert (clip.frames.float() - 128).abs().mean() < 2
    with Image.open((tmp_path / line["video"]).with_suffix(".gif")) as gif:
        assert gif.size == (208, 120)
    with pytest.raises(ValueError, match=r"a clip ends in '\.avi'; allowed: \.mkv, \.mp4"):
        ClipWriter(tmp_path / "a.avi", 8)


def test_what_is_finished_is_known_by_its_settings(tmp_path: Path) -> None:
    with VideoBatch(tmp_path, "ema", VIDEOS, Look()) as batch:
        batch.write(frames(3))
    settings = settings_digest({"decay": 0.9})
    folder = VideoFolder(tmp_path, "ema")
    assert folder.finished(settings) == set()
    folder.add(batch.lines({"settings": settings}), {"versions": {"torch": "2"}})
    assert folder.finished(settings) == set(VIDEOS)
    assert folder.finished(settings_digest({"decay": 0.8})) == set()
    assert VideoFolder(tmp_path, "none").finished(settings) == set()
    note = json.loads((tmp_path / batch.lines({})[0]["video"]).with_suffix(".json").read_text())
    assert note["metadata"]["settings"] == settings
    assert note["versions"] == {"torch": "2"}, "beside the video; the manifest stays short"
    assert "versions" not in (tmp_path / "manifest.jsonl").read_text()
    (tmp_path / batch.lines({})[0]["video"]).unlink()
    assert folder.finished(settings) == set(VIDEOS[1:])


@pytest.mark.parametrize("name", ["fps", "scale"])
def test_looks_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"generate: {name} is -1"):
        Look(-1) if name == "fps" else Look(scale=-1)
