"""Exports stream as they note, and notes can choose nothing but what is installed."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from reward_forcing.codecs.toy_words import ToyWords
from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.exports import notes_of
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import save
from reward_forcing.starts import Start
from reward_forcing.streaming import Equipment, MemoryWish, load_streamer
from tests import small_runs

PROMPTS = ["red circle fast pan-slow", "blue cross slow plain"]


def notes(*overrides: str) -> dict[str, str]:
    config = compose(["memory.window_frames=6", *overrides])
    return notes_of(config, plain(config))


@pytest.fixture
def student(tmp_path: Path) -> Path:
    small_runs.write_exports(tmp_path)
    return write_student(tmp_path / "student.safetensors", notes("sink.decay=0.5", "rollout=official"))


def write_student(path: Path, told: dict[str, str]) -> Path:
    torch.manual_seed(1)
    network = WanTransformer(**small_runs.SIZES)
    torch.nn.init.normal_(network.head.head.weight, std=0.3)
    save(path, network, told)
    return path


def altered(path: Path, **changes: Any) -> Path:
    stream = json.loads(notes()["stream"])
    for key, value in changes.items():
        group, _, name = key.partition("__")
        if name:
            stream["values"][group][name] = value
        else:
            stream["choices"][group] = value
    return write_student(path, {**notes(), "stream": json.dumps(stream)})


def test_an_export_is_streamed_as_it_was_trained(student: Path) -> None:
    streamer = load_streamer(student)
    assert streamer.rollout.memory.sink == EMASink(frames=3, decay=0.5)
    assert streamer.rollout.memory.window_frames == 6
    assert tuple(streamer.rollout.levels) == (1.0, 0.9375, 0.8333333333333334, 0.625)
    assert streamer.name == "ema"
    assert streamer.about["training_seed"] == 0
    assert streamer.memory["decay"] == 0.5


def test_wishes_come_before_notes(student: Path) -> None:
    static = load_streamer(student, wish=MemoryWish(sink="static", window=9)).rollout.memory
    assert (static.sink, static.window_frames) == (StaticSink(frames=3), 9)
    assert load_streamer(student, wish=MemoryWish(sink="none")).rollout.memory.sink == NoSink()
    assert load_streamer(student, wish=MemoryWish(decay=0.25)).rollout.memory.sink == EMASink(frames=3, decay=0.25)


def test_the_official_preset_streams_with_another_sink_than_it_trained_with(tmp_path: Path) -> None:
    small_runs.write_exports(tmp_path)
    path = write_student(tmp_path / "student.safetensors", notes("preset=official"))
    assert load_streamer(path).rollout.memory.sink == EMASink(frames=3, decay=0.999)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (MemoryWish(sink="emma"), "sink=emma: there is no option 'emma'"),
        (MemoryWish(sink="none", decay=0.5), "sink.decay is 0.5; sink=none has no such value"),
        (MemoryWish(decay=1.5), "sink.decay is 1.5; it must be within"),
        (MemoryWish(window=4), "memory.window_frames is 4; it must be at least 6"),
        (MemoryWish(sink="../../evil"), "allowed: names of config options"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(student: Path, wish: MemoryWish, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        load_streamer(student, wish=wish)


@pytest.mark.parametrize(
    "changes",
    [
        {"sink___target_": "os.system"},
        {"sink__unknown": 1},
        {"sink__decay": {"_target_": "os.system"}},
        {"rollout__levels": [{"_target_": "os.system"}]},
        {"sink__decay": "${oc.env:HOME}"},
        {"sink": "ema +sink.x=1"},
        {"codec": "../secrets"},
    ],
    ids=str,
)
def test_a_file_from_elsewhere_cannot_name_code(tmp_path: Path, changes: dict[str, Any]) -> None:
    small_runs.write_exports(tmp_path)
    path = altered(tmp_path / "student.safetensors", **changes)
    with pytest.raises(ValueError, match="the note 'stream'"):
        load_streamer(path)


def test_other_files_are_refused(tmp_path: Path, student: Path) -> None:
    with pytest.raises(ValueError, match="is not there; allowed"):
        load_streamer(tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match="nothing is noted about streaming"):
        load_streamer(student.parent / "teacher.safetensors")


def test_the_codec_is_found(student: Path, tmp_path: Path) -> None:
    beside = student.parent / "codec.safetensors"
    moved = beside.rename(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ValueError, match="codec: .*elsewhere.safetensors.*|codec: there is none at"):
        load_streamer(student, equipment=Equipment(codec=tmp_path / "wrong.safetensors"))
    assert load_streamer(student, equipment=Equipment(codec=moved)).codec is not None


def test_streams_have_any_length_and_the_same_beginning(student: Path) -> None:
    streamer = load_streamer(student)
    short = list(streamer.stream(PROMPTS, [0, 1], chunks=2))
    endless = list(itertools.islice(streamer.stream(PROMPTS, [0, 1]), 4))
    assert [tuple(chunk.shape) for chunk in short] == [(2, 3, 3, 32, 32)] * 2
    assert all(torch.equal(one, other) for one, other in zip(short, endless, strict=False))
    assert torch.is_grad_enabled()


def test_a_video_does_not_depend_on_its_batch(student: Path) -> None:
    streamer = load_streamer(student)
    together = next(streamer.stream(PROMPTS, [0, 1], chunks=1))
    alone = next(streamer.stream(PROMPTS[1:], [1], chunks=1))
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


def test_a_switch_changes_what_comes_after_it_only(student: Path) -> None:
    streamer = load_streamer(student)
    plain_video = list(streamer.stream(PROMPTS[:1], [0], chunks=3))
    switched = list(streamer.stream(PROMPTS[:1], [0], chunks=3, switches={3: PROMPTS[1]}))
    assert torch.equal(plain_video[0], switched[0])
    assert not torch.equal(plain_video[1], switched[1])


def test_a_teacher_starts_from_the_students_noise(student: Path) -> None:
    streamer = load_streamer(student)
    start, *_ = streamer.trajectory(PROMPTS, [0, 1], steps=2, guidance_scale=2.0, shift=3.0)
    noise = streamer.noise(PROMPTS, [0, 1])
    assert torch.equal(start, torch.cat([noise(chunk, 0) for chunk in range(7)], 1))
    clip = streamer.sample(PROMPTS, [0, 1], steps=2, guidance_scale=2.0, shift=3.0)
    assert clip.shape == (2, 21, 3, 32, 32)


def test_noise_belongs_to_prompt_and_seed(student: Path) -> None:
    streamer = load_streamer(student)
    noise = streamer.noise([PROMPTS[0], PROMPTS[0], PROMPTS[1]], [0, 1, 0])(0, 0)
    assert noise.shape == (3, *streamer.geometry.chunk_shape)
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])
    assert torch.equal(noise[2:], streamer.noise(PROMPTS[1:], [0])(0, 0))
    with pytest.raises(ValueError, match="shorter"):
        streamer.noise(PROMPTS, [0])


def test_a_continued_video_begins_with_its_start(student: Path) -> None:
    streamer = load_streamer(student)
    start = streamer.noise(PROMPTS, [3, 4])(0, 0)
    videos = list(streamer.stream(PROMPTS, [0, 1], chunks=2, start=start))
    assert len(videos) == 3
    torch.testing.assert_close(videos[0], streamer.codec.decode(start))
    fresh = next(streamer.stream(PROMPTS, [0, 1], chunks=1))
    assert not torch.equal(videos[1], fresh)


def test_a_start_in_parts_is_the_same_start(student: Path) -> None:
    """Seven frames: the pixels are those of all at once, and so is what follows."""
    streamer = load_streamer(student)
    clean = torch.cat([streamer.noise(PROMPTS, [3, 4])(chunk, 0) for chunk in range(3)], 1)[:, :7]
    at_once = list(streamer.stream(PROMPTS, [0, 1], chunks=2, start=clean))
    parts = Start(7, lambda: clean.split(2, 1))
    in_parts = list(streamer.stream(PROMPTS, [0, 1], chunks=2, start=parts))
    assert [video.shape[1] for video in in_parts] == [1, 3, 3, 3, 3]
    assert torch.equal(torch.cat(at_once, 1), torch.cat(in_parts, 1))


def test_a_network_of_other_latents_is_refused(student: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"student.safetensors: the network's channels is 6; geometry.channels is 16"):
        load_streamer(student, equipment=Equipment(overrides=["geometry.channels=16"]))
    bare = tmp_path / "bare.pt"
    torch.save(WanTransformer(**{**small_runs.SIZES, "channels": 4}).state_dict(), bare)
    small = ["codec=toy", "text=toy", "checkpoints=shipped"]
    with pytest.raises(ValueError, match=r"bare.pt: the network's channels is 4; geometry.channels is 16"):
        load_streamer(bare, equipment=Equipment(overrides=small))


def test_words_of_another_encoder_are_refused_before_anything_is_generated(student: Path) -> None:
    streamer = load_streamer(student)
    streamer.prepare(PROMPTS)
    with pytest.raises(ValueError, match="unknown word"):
        streamer.prepare([*PROMPTS, "red circl fast plain"])
    other = replace(streamer, text=ToyWords(["red", "blue"], tokens=2))
    with pytest.raises(ValueError, match="text: embeddings have 2 features; the network takes 18"):
        other.prepare(["red"])


def test_what_it_was_told_rebuilds_it(student: Path) -> None:
    """The composed config as plain values, wishes and overrides in it; what the command was told; versions."""
    equipment = Equipment(overrides=["play.fps=3"], dtype="bfloat16")
    streamer = load_streamer(student, wish=MemoryWish(decay=0.75, window=9), equipment=equipment)
    told = json.loads(json.dumps(streamer.told))
    assert told["asked"] == {
        "export": str(student), "sink": None, "decay": 0.75, "window": 9,
        "codec": None, "dtype": "bfloat16", "overrides": ["play.fps=3"], "device": "cpu",
    }  # fmt: skip
    config = OmegaConf.create(told["config"])
    assert build(config, "rollout") == streamer.rollout
    assert build(config, "geometry") == streamer.geometry
    assert (config.play.fps, config.sink.decay, config.memory.window_frames) == (3, 0.75, 9)
    assert told["network"] == {**small_runs.SIZES, "patch": 2, "places": 0, "dtype": "bfloat16"}
    assert {"python", "torch", "diffusers", "av"} <= set(told["versions"])


def test_a_loaded_network_is_frozen_and_in_the_wished_precision(student: Path) -> None:
    for dtype in ("float32", "bfloat16"):
        streamer = load_streamer(student, equipment=Equipment(dtype=dtype))
        parameters = list(streamer.network.parameters())
        assert getattr(torch, dtype) in {parameter.dtype for parameter in parameters}
        assert not any(parameter.requires_grad for parameter in parameters)
        assert not streamer.network.training
        assert streamer.about["equipment"] == {"codec": None, "dtype": dtype, "overrides": []}


def test_overrides_come_before_notes(student: Path) -> None:
    streamer = load_streamer(student, equipment=Equipment(overrides=["sink.decay=0.75", "play.fps=3"]))
    assert streamer.rollout.memory.sink == EMASink(frames=3, decay=0.75)
    assert streamer.fps == 3
