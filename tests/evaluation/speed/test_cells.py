"""What is timed is what users run; streams of others need not know us."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.speed.cells import TimedCodec, TimedText, foreign_cell, settings_of, student_cell, teacher_cell
from evaluation.speed.harness import Cell, Instruments, measure, time_run
from evaluation.speed.runs import COPY, DECODE, DENOISE, TEXT
from reward_forcing.codecs.protocols import LatentCodec, TextEncoder
from reward_forcing.engine.fast import Fast
from reward_forcing.generate import Teaching
from reward_forcing.streaming import MemoryWish, Streamer, load_streamer
from tests import small_runs
from tests.evaluation.speed.scripted import World, picture
from tests.test_streaming import PROMPTS, notes, write_student

PROMPT = PROMPTS[0]


@pytest.fixture(scope="module")
def streamer(tmp_path_factory: pytest.TempPathFactory) -> Streamer:
    folder = tmp_path_factory.mktemp("export")
    small_runs.write_exports(folder)
    return load_streamer(write_student(folder / "student.safetensors", notes()), wish=MemoryWish(sink="ema"))


def test_the_timed_frames_are_those_that_users_get(streamer: Streamer) -> None:
    cell = student_cell("a", streamer, World().watch, prompt=PROMPT, seed=3, chunks=4)
    for mine, theirs in zip(cell.start(), streamer.stream([PROMPT], [3], chunks=4), strict=True):
        assert torch.equal(mine, theirs)


def test_a_student_tells_its_stages(streamer: Streamer) -> None:
    world = World()
    cell = student_cell("a", streamer, world.watch, prompt=PROMPT, chunks=3, analyse=False)
    run = time_run(cell, world.instruments)
    assert run.stages.keys() == {DENOISE, TEXT, DECODE, COPY}
    assert run.frames == (3, 3, 3)
    assert run.size == (1, 32, 32)
    assert cell.work is None


def test_every_stage_takes_time(streamer: Streamer) -> None:
    (speed,) = measure([student_cell("a", streamer, World().watch, prompt=PROMPT, chunks=2)], playback=8, repeats=1)
    assert speed.scopes == ["end_to_end"], "its watch is not the one that is read"
    read = Instruments()
    cell = student_cell("a", streamer, read.watch, prompt=PROMPT, chunks=2)
    (speed,) = measure([cell], playback=8, repeats=1, read=read)
    assert speed.scopes == ["denoiser", "codec", "end_to_end"]
    (run,) = speed.runs
    assert all(run.stages[stage][0] > 0 for stage in (DENOISE, TEXT, DECODE, COPY))
    assert run.stages[TEXT][1] == 0, "words are encoded once"
    assert run.disagreement < 0.5


def test_a_students_ramp_and_work(streamer: Streamer) -> None:
    cell = student_cell("a", streamer, World().watch, prompt=PROMPT, chunks=5)
    assert cell.ramp == 2, "a window of 6 frames, chunks of 3"
    assert cell.work is not None
    assert len(cell.work.denoise) == len(cell.work.decode) == 5
    assert cell.work.denoise[2] == cell.work.denoise[4] > cell.work.denoise[0]
    assert cell.work.memory > 0


def test_settings_say_what_times_depend_on(streamer: Streamer) -> None:
    told = settings_of(streamer)
    assert {"sink", "decay", "window_frames", "levels", "chunk_frames", "dtype", "attention", "config", "export"} <= {
        *told
    }
    assert (told["sink"], told["window_frames"], told["dtype"]) == ("ema", 6, "float32")
    assert told["parameters"] == sum(p.numel() for p in streamer.network.parameters())


def test_approximations_are_told_beside_times(streamer: Streamer) -> None:
    rough = replace(streamer.rollout, engine=Fast(linears="int8", context_pass=False))
    assert settings_of(replace(streamer, rollout=rough))["engine"] == "fast, context_pass=False, linears=int8"
    assert settings_of(streamer)["engine"] in ("fast", "reference")


def test_a_teachers_clip_is_one_chunk(streamer: Streamer) -> None:
    world, how = World(), Teaching(steps=2)
    cell = teacher_cell("t", streamer, world.watch, prompt=PROMPT, seed=0, teaching=how)
    run = time_run(cell, world.instruments)
    assert run.frames == (streamer.codec.video_frames(streamer.geometry.frames),)
    assert {DENOISE, TEXT, DECODE} <= run.stages.keys()
    assert cell.settings["steps"] == 2


def test_timed_parts_do_what_they_wrap(streamer: Streamer) -> None:
    watch = World().watch
    codec, text = TimedCodec(streamer.codec, watch), TimedText(streamer.text, watch)
    assert isinstance(codec, LatentCodec)
    assert isinstance(text, TextEncoder)
    clean = torch.randn(1, 3, *streamer.geometry.frame_shape)
    video = codec.decode(clean)
    assert torch.equal(video, streamer.codec.decode(clean))
    assert torch.equal(codec.encode(video), streamer.codec.encode(video))
    assert codec.video_frames(3) == streamer.codec.video_frames(3)
    assert codec.to("cpu").codec is not None
    assert torch.equal(text([PROMPT]), streamer.text([PROMPT]))
    text.prepare([PROMPT])
    with pytest.raises(ValueError, match="a fox"):
        text.prepare(["a fox"])


THEIRS = """
import torch

def start():
    for index in range(3):
        yield torch.full((1, 4, 3, 8, 8), 0.1 * index) + torch.linspace(-0.5, 0.5, 8)

number = 3
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "their_streams.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    path = [*sys.path]
    yield
    assert sys.path == path
    sys.modules.pop("their_streams", None)


@pytest.mark.usefixtures("theirs")
def test_any_callable_can_be_timed() -> None:
    (speed,) = measure([foreign_cell("their_streams:start")], playback=16, repeats=1)
    assert speed.cell == "their_streams:start"
    assert speed.runs[0].frames == (4, 4, 4)
    assert speed.scopes == ["end_to_end"]


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("their_streams", "write package.module:function"),
        ("their_streams:", "write package.module:function"),
        (":start", "write package.module:function"),
        ("nowhere.at_all:start", "the module 'nowhere.at_all' cannot be imported"),
        ("their_streams:stop", "their_streams has no function 'stop'"),
        ("their_streams:number", "their_streams has no function 'number'"),
    ],
)
def test_what_cannot_be_found_is_named(spec: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        foreign_cell(spec)


def test_ours_and_theirs_side_by_side(streamer: Streamer) -> None:
    world = World()

    def start() -> Iterator[Tensor]:
        yield picture(3, size=32)

    ours = student_cell("ours", streamer, world.watch, prompt=PROMPT, chunks=2, analyse=False)
    cells = world.measure(ours, Cell(name="theirs", start=start), repeats=1)
    assert [len(speed.scopes) for speed in cells] == [3, 1]
