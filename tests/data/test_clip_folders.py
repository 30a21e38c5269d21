"""Folders of clips: frames nearest in time, resized and cropped, bad clips named, interrupted runs continued."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reward_forcing.data import clip_folders
from reward_forcing.data.clip_folders import Entry, Form, find_clips, gather, nearest, require_frames, sampled
from reward_forcing.data.shards import Shards
from reward_forcing.videos import Clip, write_clip, write_gif
from tests.data import folders
from tests.rewards.pixels import Pixels

FORM = Form(frames=4, height=16, width=24, fps=None)


class Quarters(Pixels):
    """1 + 3 n video frames only, latents are the video at every third frame; counts its work."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, video: Tensor) -> Tensor:
        self.encoded += 1
        return video[:, ::3]

    def video_frames(self, frames: int) -> int:
        return 1 + 3 * (frames - 1)


def write(
    path: Path, frames: int = 6, height: int = 16, width: int = 24, *, fps: float = 8.0, caption: str = ""
) -> Tensor:
    """A clip whose frame n has level 10 n in red, twice the column in green and the row in blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = torch.zeros(frames, 3, height, width, dtype=torch.uint8)
    video[:, 0] = (10 * torch.arange(frames))[:, None, None]
    video[:, 1], video[:, 2] = torch.arange(width) * 2, torch.arange(height)[:, None] * 2
    (write_gif if path.suffix == ".gif" else write_clip)(path, Clip(video, fps))
    if caption:
        path.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
    return video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three good clips and one of every kind of bad ones."""
    folder = tmp_path / "clips"
    write(folder / "a.mkv", caption="first ü")
    write(folder / "deep" / "er" / "b.mkv", frames=4, height=32, width=48, caption="second")
    write(folder / "c.mp4", frames=9, height=8, width=12)
    write(folder / "short.mkv", frames=3, caption="too short")
    write(folder / "silent.mkv")
    (folder / "broken.mp4").write_bytes(b"nonsense" * 100)
    (folder / "broken.txt").write_text("a caption")
    (folder / "notes.md").write_text("not a clip")
    lines = [{"file": "c.mp4", "caption": " third "}, {"file": "gone.mp4", "caption": "x"}]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def run(source: Path, folder: Path, codec: Any = None, form: Form = FORM) -> str:
    return gather(source, folder, codec=codec or Quarters(), form=form, label="quarters")


def test_good_clips_become_shards_and_bad_ones_are_listed(source: Path, tmp_path: Path) -> None:
    said = run(source, tmp_path / "out")
    shards = Shards(tmp_path / "out")
    assert [shards.text(clip) for clip in range(3)] == ["first ü", "third", "second"]
    assert [shards.record(clip, "clip.json")["file"] for clip in range(3)] == ["a.mkv", "c.mp4", "deep/er/b.mkv"]
    expected = (write(tmp_path / "again.mkv")[[0, 3]].float() / 127.5 - 1).half()
    np.testing.assert_array_equal(shards.array(0, "latents.npy"), expected)
    skipped = {
        line["file"]: line["reason"]
        for line in map(json.loads, (tmp_path / "out/skipped.jsonl").read_text().splitlines())
    }
    assert set(skipped) == {"broken.mp4", "gone.mp4", "short.mkv", "silent.mkv"}
    assert skipped["broken.mp4"].startswith("not a readable video")
    assert skipped["gone.mp4"] == "in captions.jsonl, but there is no such clip"
    assert skipped["short.mkv"] == "too short: 3 of 4 frames"
    assert skipped["silent.mkv"] == "no caption: neither in captions.jsonl nor in silent.txt"
    assert "3 clips encoded, 4 skipped (why: " in said
    assert "warning: 1 clips are smaller than asked for and were enlarged" in said
    assert f"data.content.source.path={tmp_path / 'out'}" in said
    assert shards.manifest.origin["codec"] == "quarters"


def test_an_interrupted_run_continues(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(Quarters):
        def encode(self, video: Tensor) -> Tensor:
            if self.encoded == 2:
                raise KeyboardInterrupt
            return super().encode(video)

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out", Dying())
    looked: list[str] = []
    look_at = clip_folders.look_at

    def noted(source: Path, entry: Entry, form: Form) -> Entry:
        looked.append(entry.file)
        return look_at(source, entry, form)

    monkeypatch.setattr(clip_folders, "look_at", noted)
    scan = tmp_path / "out" / "scan.jsonl"
    scan.write_text(scan.read_text()[:-20])
    run(source, tmp_path / "out")
    assert looked == ["gone.mp4"], "the line that was cut off"
    whole = tmp_path / "whole"
    run(source, whole)
    for path in whole.iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
    idle = Quarters()
    run(source, tmp_path / "out", idle)
    assert idle.encoded == 0


def test_other_clips_or_another_form_do_not_mix(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    with pytest.raises(ValueError, match="holds other data"):
        run(source, tmp_path / "out", form=Form(frames=4, height=8, width=8, fps=None))
    write(source / "d.mkv", caption="new")
    with pytest.raises(ValueError, match="holds other data"):
        run(source, tmp_path / "out")


def test_clips_are_resized_and_cropped_with_their_aspect(tmp_path: Path) -> None:
    video = write(tmp_path / "wide.mkv", height=32, width=96)
    exact = sampled(tmp_path / "wide.mkv", Form(frames=6, height=32, width=32, fps=None))
    assert torch.equal(exact, video[..., 32:64])
    half = sampled(tmp_path / "wide.mkv", Form(frames=1, height=16, width=48, fps=None))
    assert half.shape == (1, 3, 16, 48)
    inner = video[:1, :, ::2, ::2].int() + 1
    torch.testing.assert_close(half[0, 1:, 2:-2, 2:-2].int(), inner[0, 1:, 2:-2, 2:-2], atol=2, rtol=0)


@pytest.mark.parametrize(("ending", "fps"), [(".mkv", 8.0), (".mp4", 8.0), (".gif", 10.0)])
def test_frames_are_those_nearest_in_time(tmp_path: Path, ending: str, fps: float) -> None:
    write(tmp_path / f"x{ending}", frames=8, fps=fps)
    halved = sampled(tmp_path / f"x{ending}", Form(frames=4, height=16, width=24, fps=fps / 2))
    assert [round(float(level) / 10) for level in halved[:, 0].float().mean((1, 2))] == [0, 2, 4, 6]
    doubled = sampled(tmp_path / f"x{ending}", Form(frames=6, height=16, width=24, fps=2 * fps))
    assert (doubled[:, 0].float().mean((1, 2)).diff() > -1).all()
    with pytest.raises(ValueError, match=r"too short: 4 of 5 frames at"):
        sampled(tmp_path / f"x{ending}", Form(frames=5, height=16, width=24, fps=fps / 2))


@dataclass(frozen=True)
class Frame:
    time: float


@given(
    gaps=st.lists(st.floats(0.01, 0.5), max_size=20),
    start=st.floats(0, 9),
    fps=st.floats(1, 60),
    count=st.integers(1, 30),
)
def test_no_other_frame_is_nearer(gaps: Sequence[float], start: float, fps: float, count: int) -> None:
    times = np.cumsum([start, *gaps])
    found = [frame.time for frame in nearest(map(Frame, times.tolist()), fps, count)]
    for index, time in enumerate(found):
        wanted = start + index / fps
        assert abs(time - wanted) <= np.abs(times - wanted).min() + 1e-9
    reach = times[-1] + (gaps[-1] / 2 if gaps else 0)
    assert len(found) == count or start + len(found) / fps > reach - 1e-9
    assert [*nearest([], fps, count)] == []
    assert [*nearest(iter([1, 2, 3]), None, 2)] == [1, 2]


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="frames is 5; the nearest that the codec has are 4 or 7"):
        require_frames(Quarters(), 5)
    require_frames(Quarters(), 7)
    with pytest.raises(ValueError, match="frames is 1; the nearest that the codec has are 5 or more"):
        require_frames(type("Fives", (Pixels,), {"video_frames": lambda _, frames: 5 * frames})(), 1)
    for name in ("frames", "height", "width", "fps"):
        with pytest.raises(ValueError, match=f"data.shards: {name} is 0; it must be positive"):
            Form(**{name: 0})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mkv: a cat", "captions.jsonl, line 2 is not"),
        ('{"file": "a.mkv"}', "captions.jsonl, line 2 is not"),
        ('{"file": "a.mkv", "caption": 3}', "captions.jsonl, line 2 is not"),
        ('{"file": "./b.mkv", "caption": "x"}', "line 2 names b.mkv again; delete one"),
    ],
)
def test_bad_captions_are_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "captions.jsonl").write_text('{"file": "b.mkv", "caption": "x"}\n' + line)
    with pytest.raises(ValueError, match=message):
        list(find_clips(tmp_path))


def test_nothing_to_encode(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder; give a folder of clips"):
        run(tmp_path / "none", tmp_path / "out")
    (tmp_path / "clips").mkdir()
    with pytest.raises(ValueError, match=r"there are no clips in .*; files ending in .mp4"):
        run(tmp_path / "clips", tmp_path / "out")
    write(tmp_path / "clips" / "a.mkv")
    with pytest.raises(ValueError, match=r"none of the 1 clips in .* can be used; see .*skipped.jsonl"):
        run(tmp_path / "clips", tmp_path / "out")


def test_the_toy_codec_encodes_them(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "a.mkv", height=40, width=40, caption="x")
    run(tmp_path / "clips", tmp_path / "out", folders.codec(), Form(frames=5, height=32, width=32, fps=8.0))
    assert Shards(tmp_path / "out").array(0, "latents.npy").shape == (5, 2, 8, 8)
