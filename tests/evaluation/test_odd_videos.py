"""Videos nobody expects: each is judged as far as it can be or reported with a reason, and none stops the others."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from evaluation.evaluate import evaluate
from evaluation.signals import PIECE
from evaluation.windows import WHOLE
from reward_forcing.videos import Clip, write_clip

METRICS = ("frame_difference", "temporal_flickering", "sink_similarity")


def noise(frames: int, height: int = 24, width: int = 40) -> torch.Tensor:
    shape = (frames, 3, height, width)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(frames)).to(torch.uint8)


def judged(folder: Path, *videos: str, fps: float = 8.0, **settings: Any) -> dict[str, Any]:
    lines = [{"video": video, "prompt": f"a cat in {video}", "seed": 0, "cell": "cell", "fps": fps} for video in videos]
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    how = {"metrics": METRICS, "progress": False, "baselines": False, **settings}
    return dict(json.loads(evaluate(manifest, **how).read_text()))


def score(content: dict[str, Any], video: str, metric: str) -> float | None:
    (found,) = (known for known in content["videos"] if known["video"] == video)
    index = [part[0] for part in found["windows"]].index(WHOLE)
    value = found["scores"][metric][index]
    return None if value is None else float(value)


def notes(content: dict[str, Any], video: str) -> list[str]:
    (found,) = (known for known in content["videos"] if known["video"] == video)
    return list(found["notes"])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    write_clip(tmp_path / "good.mkv", Clip(noise(9), 8.0))
    return tmp_path


def broken_off(path: Path) -> None:
    """Half of a file."""
    write_clip(path, Clip(noise(40), 8.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.mkv", b"not a video at all", "text.mkv: not a readable video"),
        ("empty.mp4", b"", "empty.mp4: not a readable video"),
    ],
)
def test_what_is_no_video_is_reported(good: Path, name: str, content: bytes, reason: str) -> None:
    (good / name).write_bytes(content)
    result = judged(good, name, "good.mkv")
    (failed,) = result["failed"]
    assert failed["video"] == name
    assert failed["reason"].startswith(reason)
    assert [video["video"] for video in result["videos"]] == ["good.mkv"]


def test_half_a_file_is_judged_as_far_as_it_goes_or_reported(good: Path) -> None:
    broken_off(good / "half.mkv")
    result = judged(good, "half.mkv", "good.mkv")
    lengths = {video["video"]: video["frames"] for video in result["videos"]}
    assert lengths.get("half.mkv", 0) < 40
    assert {*lengths, *(failed["video"] for failed in result["failed"])} == {"half.mkv", "good.mkv"}


def test_if_none_can_be_read_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mkv").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"manifest.jsonl: no video could be scored; text.mkv: .*not a readable video"):
        judged(tmp_path, "text.mkv")


def test_a_failed_video_is_tried_again(good: Path) -> None:
    (good / "late.mkv").write_bytes(b"still being copied")
    assert len(judged(good, "late.mkv", "good.mkv")["failed"]) == 1
    write_clip(good / "late.mkv", Clip(noise(7), 8.0))
    result = judged(good, "late.mkv", "good.mkv")
    assert result["failed"] == []
    assert len(result["videos"]) == 2


def test_a_single_frame_has_what_needs_no_motion(good: Path) -> None:
    write_clip(good / "one.mkv", Clip(noise(1), 8.0))
    result = judged(good, "one.mkv", "good.mkv")
    assert score(result, "one.mkv", "sink_similarity") == pytest.approx(1, abs=1e-5)
    assert score(result, "one.mkv", "frame_difference") is None
    assert notes(result, "one.mkv") == ["a single frame: nothing that moves can be judged"]


def test_odd_sizes_are_judged(good: Path) -> None:
    write_clip(good / "odd.mkv", Clip(noise(5, 33, 17), 8.0))
    assert score(judged(good, "odd.mkv", "good.mkv"), "odd.mkv", "frame_difference") == pytest.approx(85, rel=0.05)


def encoded(path: Path, pixels: str, times: list[int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.full((24, 32), 10 * time, np.uint8), format="gray")
            frame.pts = time
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode())


def test_grey_videos_are_judged_as_grey_rgb(good: Path) -> None:
    encoded(good / "grey.mkv", "gray", [0, 1, 2, 3])
    result = judged(good, "grey.mkv", "good.mkv")
    assert score(result, "grey.mkv", "frame_difference") == pytest.approx(10, abs=2)
    assert notes(result, "grey.mkv") == []


def test_a_variable_frame_rate_is_noted(good: Path) -> None:
    encoded(good / "unsteady.mkv", "gray", [0, 1, 2, 9, 10])
    result = judged(good, "unsteady.mkv", "good.mkv")
    assert notes(result, "unsteady.mkv") == ["its frames come at unequal times; judged as if at 8 a second"]


def test_another_frame_rate_than_the_manifest_says_is_noted(good: Path) -> None:
    result = judged(good, "good.mkv", fps=24.0)
    assert notes(result, "good.mkv") == ["the file says 8 frames a second; the manifest's 24 count"]


@pytest.mark.parametrize("frames", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_the_length_does_not_depend_on_the_pieces(good: Path, frames: int) -> None:
    write_clip(good / "long.mkv", Clip(noise(frames), 8.0))
    result = judged(good, "long.mkv", "good.mkv")
    (found,) = (video for video in result["videos"] if video["video"] == "long.mkv")
    assert found["frames"] == frames
    assert score(result, "long.mkv", "frame_difference") == pytest.approx(85, rel=0.05)
