"""From an export to files: every cell from the same noise, any length, whatever it starts from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.manifest import read_manifest
from reward_forcing.generate import Pace, Request, Teaching, generate
from reward_forcing.starts import encode_start
from reward_forcing.streaming import MemoryWish, Streamer, load_streamer
from reward_forcing.videos import Clip, read_clip, write_clip
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes())


def clips(folder: Path) -> dict[tuple[str, str, int], torch.Tensor]:
    return {entry.key: read_clip(entry.video).frames for entry in read_manifest(folder / "manifest.jsonl")}


def test_cells_share_their_noise_and_the_manifest_is_one_that_evaluation_reads(student: Path, tmp_path: Path) -> None:
    request = Request(prompts=PROMPTS, seeds=[0, 1], frames=14, batch=3)
    wishes = [MemoryWish(sink=sink) for sink in ("none", "static", "ema")]
    paces = generate(student, tmp_path, request, wishes=wishes)
    assert list(paces) == ["none", "static", "ema"]
    written = clips(tmp_path)
    assert len(written) == 12
    assert {tuple(video.shape) for video in written.values()} == {(14, 3, 32, 32)}
    for prompt in PROMPTS:
        first = [written[sink, prompt, 0][:6] for sink in ("none", "static", "ema")]
        assert torch.equal(first[0], first[1]), "before anything is evicted, sinks do not differ"
        assert torch.equal(first[1], first[2])
        assert not torch.equal(written["static", prompt, 0], written["ema", prompt, 0])
        assert not torch.equal(written["ema", prompt, 0], written["ema", prompt, 1])


def test_metadata_tells_how_it_was_made(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS[:1], frames=5), wishes=[MemoryWish(decay=0.5, window=9)])
    (entry,) = read_manifest(tmp_path / "manifest.jsonl")
    assert entry.cell == "ema decay=0.5 window=9"
    assert entry.metadata["decay"] == 0.5
    assert entry.metadata["window_frames"] == 9
    assert entry.metadata["training_seed"] == 0
    assert entry.metadata["frames"] == 5
    assert entry.metadata["sink_frames"] == 3


def test_a_teacher_samples_clips(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS, frames=120), teaching=Teaching(steps=2))
    written = clips(tmp_path)
    assert {cell for cell, _, _ in written} == {"teacher"}
    assert {len(video) for video in written.values()} == {21}, "a teacher makes whole clips only"


def test_generating_again_replaces_what_is_made_again_only(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS, frames=3), wishes=[MemoryWish(sink="none"), MemoryWish()])
    generate(student, tmp_path, Request(prompts=PROMPTS[:1], frames=6), wishes=[MemoryWish(sink="none")])
    assert {(cell, prompt): len(video) for (cell, prompt, _), video in clips(tmp_path).items()} == {
        ("ema", PROMPTS[0]): 3,
        ("ema", PROMPTS[1]): 3,
        ("none", PROMPTS[0]): 6,
        ("none", PROMPTS[1]): 3,
    }


def test_without_end_until_interrupted(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after five chunks: what was made so far is complete."""
    endless = Streamer.stream

    def interrupted(self: Streamer, *args: Any, **settings: Any) -> Iterator[torch.Tensor]:
        for count, chunk in enumerate(endless(self, *args, **settings)):
            if count == 5:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(Streamer, "stream", interrupted)
    paces = generate(student, tmp_path, Request(prompts=PROMPTS, frames=None))
    assert {len(video) for video in clips(tmp_path).values()} == {15}
    assert paces["ema"].frames == 30
    with pytest.raises(KeyboardInterrupt):
        generate(student, tmp_path / "finite", Request(prompts=PROMPTS, frames=60))


def test_a_clip_is_continued(student: Path, tmp_path: Path) -> None:
    video = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_clip(tmp_path / "start.mkv", Clip(video, 8))
    request = Request(prompts=PROMPTS, frames=10, start=tmp_path / "start.mkv")
    generate(student, tmp_path, request)
    for video_made in clips(tmp_path).values():
        assert len(video_made) == 10
    streamer = load_streamer(student)
    start = encode_start(tmp_path / "start.mkv", streamer, 2)
    assert start.shape == (2, 4, 6, 8, 8)
    assert torch.equal(start[0], start[1])


def test_unknown_words_come_to_light_before_any_file_is_written(student: Path, tmp_path: Path) -> None:
    for request in (
        Request(prompts=["red circl fast plain"]),
        Request(prompts=PROMPTS, switches={3: "purple circle fast plain"}),
    ):
        with pytest.raises(ValueError, match="unknown word"):
            generate(student, tmp_path / "out", request)
    assert not (tmp_path / "out").exists()


def test_the_same_cell_twice_is_refused(student: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="asked for twice: ema, ema"):
        generate(student, tmp_path, Request(prompts=PROMPTS), wishes=[MemoryWish(), MemoryWish(sink="ema")])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompts": []}, "prompts is empty"),
        ({"seeds": []}, "seeds is empty"),
        ({"frames": 0}, "frames is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"switches": {0: "x"}}, "a switch is at 0"),
    ],
)
def test_requests_out_of_range(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Request(**{"prompts": ["x"], **settings})


def test_batches_hold_every_prompt_with_every_seed() -> None:
    request = Request(prompts=["a", "b"], seeds=[0, 1, 2], batch=4)
    first, second = request.batches()
    assert (len(first), len(second)) == (4, 2)
    assert [*first, *second] == [(prompt, seed) for prompt in "ab" for seed in range(3)]
    (together,) = Request(prompts=["a", "b"], batch=1, frames=None).batches()
    assert len(together) == 2


def test_pace_counts_generating_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 11.0, 20.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    pace = Pace()
    list(pace.timed([torch.zeros(2, 3, 3, 1, 1), torch.zeros(2, 3, 3, 1, 1)]))
    assert (pace.first, pace.frames, pace.seconds) == (2.0, 12, 3.0)
    assert pace.fps == 4.0
    assert Pace().fps == 0.0


def test_lines_are_json(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS[:1], frames=3, switches={1: PROMPTS[1]}))
    (line,) = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert json.loads(line)["metadata"]["switches"] == {"1": PROMPTS[1]}


def test_cells_can_be_named_so_that_students_are_compared(student: Path, tmp_path: Path) -> None:
    """Two students, one a seed, make up one cell; several ways to remember stay apart."""
    named = Request(prompts=PROMPTS[:1], frames=3, cell="dmd")
    for seed in (0, 1):
        generate(student, tmp_path, Request(prompts=PROMPTS[:1], seeds=[seed], frames=3, cell="dmd"))
    generate(student, tmp_path, named, wishes=[MemoryWish(sink=sink) for sink in ("none", "static")])
    written = [(entry.cell, entry.seed) for entry in read_manifest(tmp_path / "manifest.jsonl")]
    assert written == [("dmd", 0), ("dmd", 1), ("dmd none", 0), ("dmd static", 0)]
