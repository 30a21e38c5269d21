"""From an export to files: every cell from the same noise, any length, whatever it starts from."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evaluation.manifest import read_manifest
from reward_forcing.generate import Pace, Request, Teaching, generate
from reward_forcing.starts import encode_start
from reward_forcing.streaming import Equipment, MemoryWish, Streamer, load_streamer
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
    endless = Streamer.deliver

    def interrupted(self: Streamer, *args: Any, **settings: Any) -> Iterator[torch.Tensor]:
        for count, chunk in enumerate(endless(self, *args, **settings)):
            if count == 5:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(Streamer, "deliver", interrupted)
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
    start = encode_start(tmp_path / "start.mkv", streamer.codec, streamer.geometry, batch=2, device=streamer.device)
    (latents,) = start.parts(4)
    assert latents.shape == (2, 4, 6, 8, 8)
    assert torch.equal(latents[0], latents[1])


@pytest.mark.parametrize("name", ["start.png", "start.mkv"])
def test_a_start_that_cannot_be_read_is_told_before_weights_are(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("neither")
    with pytest.raises(ValueError, match=f"{name}: not a readable"):
        generate(tmp_path / "none.safetensors", tmp_path, Request(prompts=PROMPTS, start=tmp_path / name))


def test_the_note_beside_a_video_tells_the_whole_config(student: Path, tmp_path: Path) -> None:
    """What the command was told, the composed config, versions; the manifest stays short."""
    Image.new("RGB", (32, 32), "red").save(tmp_path / "start.png")
    request = Request(prompts=PROMPTS[:1], seeds=[7], frames=8, start=tmp_path / "start.png", switches={3: PROMPTS[1]})
    equipment = Equipment(dtype="bfloat16", overrides=["play.fps=3"])
    generate(student, tmp_path / "out", request, wishes=[MemoryWish(decay=0.5, window=9)], equipment=equipment)
    (note,) = (json.loads(path.read_text()) for path in (tmp_path / "out/videos").glob("*.json"))
    (line,) = map(json.loads, (tmp_path / "out/manifest.jsonl").read_text().splitlines())
    assert {key: note[key] for key in line} == line
    assert set(note) - set(line) == {"asked", "config", "network", "versions", "request"}
    assert (note["prompt"], note["seed"], note["fps"]) == (PROMPTS[0], 7, 3)
    asked = note["asked"]
    assert (asked["export"], asked["decay"], asked["window"], asked["device"]) == (str(student), 0.5, 9, "cpu")
    assert (asked["dtype"], asked["overrides"], asked["codec"]) == ("bfloat16", ["play.fps=3"], None)
    assert note["config"]["sink"]["decay"] == 0.5
    assert note["config"]["rollout"]["levels"] == list(load_streamer(student).rollout.levels)
    assert note["config"]["codec"]["path"].endswith("codec.safetensors")
    told = note["request"]
    assert (told["frames"], told["batch"], told["on_switch"], told["switches"]) == (
        8,
        8,
        "cross_only",
        {"3": PROMPTS[1]},
    )
    assert told["start"] == str(tmp_path / "start.png")
    assert len(told["start_content"]) == 64
    assert told["teaching"] is None
    assert note["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert note["metadata"]["peak_memory_gb"] > 0.05


def test_a_teacher_s_note_tells_how_it_sampled(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS[:1], frames=3), teaching=Teaching(steps=2))
    (note,) = (json.loads(path.read_text()) for path in (tmp_path / "videos").glob("*.json"))
    assert note["request"]["teaching"] == {"steps": 2, "guidance_scale": 1.5, "shift": 3.0}


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
        ({"prompts": ["a", " "]}, "a prompt is empty"),
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
    list(pace.timed([torch.zeros(2, 3, 3, 1, 1, dtype=torch.uint8)] * 2, torch.device("cpu")))
    assert (pace.first, pace.frames, pace.seconds) == (2.0, 12, 3.0)
    assert pace.fps == 4.0
    assert Pace().fps == 0.0
    assert pace.peak > 5e7, "bytes of this process"
    assert str(replace(pace, peak=1_230_000_000)) == "4.0 frames/s, peak 1.23 GB"


def test_paces_add_up_and_the_highest_peak_counts() -> None:
    total = Pace(first=0.5, frames=10, seconds=1.0, peak=7) + Pace(first=0.1, frames=20, seconds=2.0, skipped=3, peak=5)
    assert total == Pace(first=0.5, frames=30, seconds=3.0, skipped=3, peak=7)


def test_the_progress_bar_shows_speed_and_peak_memory(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS, frames=6))
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"ema .*[0-9.]+ frames/s, peak 0?[0-9.]+ GB", said)


def test_lines_are_json(student: Path, tmp_path: Path) -> None:
    generate(student, tmp_path, Request(prompts=PROMPTS[:1], frames=3, switches={1: PROMPTS[1]}))
    (line,) = (tmp_path / "manifest.jsonl").read_text().splitlines()
    metadata = json.loads(line)["metadata"]
    assert metadata["switches"] == {"1": PROMPTS[1]}
    assert "approximations" not in metadata


def test_approximations_are_noted_with_the_videos_and_make_other_videos(student: Path, tmp_path: Path) -> None:
    request, told = Request(prompts=PROMPTS[:1], frames=3), {}
    for overrides in ((), ("engine.linears=int8", "engine.reuse=0.6")):
        generate(student, tmp_path, request, equipment=Equipment(overrides=overrides))
        (line,) = (tmp_path / "manifest.jsonl").read_text().splitlines()
        told[overrides] = json.loads(line)["metadata"]
    exact, rough = told.values()
    assert rough["approximations"] == {"linears": "int8", "reuse": 0.6}
    assert exact["settings"] != rough["settings"]


def test_cells_can_be_named_so_that_students_are_compared(student: Path, tmp_path: Path) -> None:
    """Two students, one a seed, make up one cell; several ways to remember stay apart."""
    named = Request(prompts=PROMPTS[:1], frames=3, cell="dmd")
    for seed in (0, 1):
        generate(student, tmp_path, Request(prompts=PROMPTS[:1], seeds=[seed], frames=3, cell="dmd"))
    generate(student, tmp_path, named, wishes=[MemoryWish(sink=sink) for sink in ("none", "static")])
    written = [(entry.cell, entry.seed) for entry in read_manifest(tmp_path / "manifest.jsonl")]
    assert written == [("dmd", 0), ("dmd", 1), ("dmd none", 0), ("dmd static", 0)]
