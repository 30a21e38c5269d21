"""What files of generated videos promise, with the toy codec and with one that decodes streams with a state."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from evaluation.manifest import read_manifest
from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.generate import Request, generate
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import save
from reward_forcing.starts import encode_start
from reward_forcing.streaming import Equipment, load_streamer
from reward_forcing.video_folder import Look
from reward_forcing.videos import Clip, read_clip, to_uint8, write_clip
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student

Source = tuple[Path, Equipment]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("toy")
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes()), Equipment()


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """An official folder that notes nothing, the tiny autoencoder of Wan latents, and the toy world's words."""
    folder = tmp_path_factory.mktemp("wan")
    torch.manual_seed(0)
    network = WanTransformer(**{**small_runs.SIZES, "channels": 16, "dim": 128})
    torch.nn.init.normal_(network.head.head.weight, std=0.1)
    save(folder / "student", network, layout="official")
    torch.save(TinyCodec(widths=(8, 6, 4, 4)).state_dict(), folder / "taew2_1.pth")
    chosen = ["codec=tiny_wan", "text=toy", "geometry.height=4", "geometry.width=6"]
    return folder / "student", Equipment(overrides=[*chosen, f"checkpoints.tiny_codec={folder}/taew2_1.pth"])


@pytest.fixture(params=["toy", "wan"])
def source(request: pytest.FixtureRequest) -> Source:
    found: Source = request.getfixturevalue(request.param)
    return found


def written(source: Source, out: Path, prompts: Sequence[str] = PROMPTS, **wanted: Any) -> dict[str, Tensor]:
    """The lossless videos of the prompts."""
    generate(source[0], out, Request(prompts=prompts, look=Look(0, format="mkv"), **wanted), equipment=source[1])
    return {entry.prompt: read_clip(entry.video).frames for entry in read_manifest(out / "manifest.jsonl")}


def test_a_longer_file_begins_exactly_as_a_shorter_one(source: Source, tmp_path: Path) -> None:
    """Also where the shorter one ends inside a chunk."""
    short, longer = written(source, tmp_path / "short", frames=25), written(source, tmp_path / "long", frames=48)
    for prompt in PROMPTS:
        assert (len(short[prompt]), len(longer[prompt])) == (25, 48)
        assert torch.equal(short[prompt], longer[prompt][:25])
    assert not torch.equal(*longer.values())


def test_a_start_is_the_beginning_of_the_video(source: Source, tmp_path: Path) -> None:
    """The decoder goes on from the start; another start makes another video."""
    streamer = load_streamer(source[0], equipment=source[1])
    height, width = streamer.codec.decode(torch.zeros(1, 1, *streamer.geometry.frame_shape)).shape[-2:]
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randint(0, 256, (6, 3, height, width), dtype=torch.uint8, generator=generator)
    write_clip(tmp_path / "start.mkv", Clip(noisy, 8))
    Image.new("RGB", (width, height), "red").save(tmp_path / "start.png")
    videos = {}
    for name in ("start.mkv", "start.png"):
        start = encode_start(tmp_path / name, streamer.codec, streamer.geometry, batch=1, device=streamer.device)
        known = to_uint8(streamer.codec.decode(torch.cat(list(start.parts(3)), 1)))[0]
        (videos[name],) = written(source, tmp_path / name[-3:], PROMPTS[:1], frames=20, start=tmp_path / name).values()
        assert len(videos[name]) == 20
        assert torch.equal(videos[name][: len(known)], known)
    assert not torch.equal(videos["start.mkv"][10:], videos["start.png"][10:])


def test_finished_videos_are_not_made_again(source: Source, tmp_path: Path) -> None:
    """What is missing is made: another prompt, a deleted file."""
    first = written(source, tmp_path, PROMPTS[:1], frames=6, batch=1)
    (made,) = (tmp_path / "videos").glob("*.mkv")
    before = made.stat().st_mtime_ns
    second = written(source, tmp_path, frames=6, batch=1)
    assert made.stat().st_mtime_ns == before
    assert set(second) == set(PROMPTS)
    made.unlink()
    third = written(source, tmp_path, frames=6, batch=1)
    assert made.stat().st_mtime_ns != before
    assert torch.equal(third[PROMPTS[0]], first[PROMPTS[0]])


@pytest.mark.parametrize("change", [{"on_switch": "reset"}, {"frames": 7}, {"switches": {3: PROMPTS[1]}}])
def test_other_settings_are_another_video(toy: Source, tmp_path: Path, change: dict[str, Any]) -> None:
    written(toy, tmp_path, PROMPTS[:1], frames=6)
    (made,) = (tmp_path / "videos").glob("*.mkv")
    before = made.stat().st_mtime_ns
    written(toy, tmp_path, PROMPTS[:1], **{"frames": 6, **change})
    assert made.stat().st_mtime_ns != before


def test_another_start_of_the_same_name_is_another_video(toy: Source, tmp_path: Path) -> None:
    start, out = tmp_path / "start.png", tmp_path / "out"
    videos = []
    for colour in ("red", "blue"):
        Image.new("RGB", (32, 32), colour).save(start)
        videos.append(written(toy, out, PROMPTS[:1], frames=4, start=start)[PROMPTS[0]])
    assert not torch.equal(*videos)
    with pytest.raises(ValueError, match=r"start is .*none.png, which is not a file; give a picture or a clip"):
        Request(prompts=PROMPTS, start=tmp_path / "none.png")


def test_another_codec_is_another_video(wan: Source, tmp_path: Path) -> None:
    """Whatever is overridden belongs to the settings."""
    written(wan, tmp_path, PROMPTS[:1], frames=5)
    torch.save(TinyCodec(widths=(8, 6, 4, 4)).state_dict(), tmp_path / "other.pth")
    other = Equipment(overrides=[*wan[1].overrides[:-1], f"checkpoints.tiny_codec={tmp_path}/other.pth"])
    (made,) = (tmp_path / "videos").glob("*.mkv")
    before = made.stat().st_mtime_ns
    written((wan[0], other), tmp_path, PROMPTS[:1], frames=5)
    assert made.stat().st_mtime_ns != before


def test_weights_without_notes_stream_as_the_released_students(wan: Source, tmp_path: Path) -> None:
    streamer = load_streamer(wan[0], equipment=wan[1])
    assert (streamer.fps, streamer.name, streamer.rollout.memory.window_frames) == (16, "ema", 9)
    assert streamer.memory["decay"] == 0.999
    assert streamer.memory["sink_frames"] == 3
    written(wan, tmp_path, PROMPTS[:1], frames=9)
    (note,) = (json.loads(path.read_text()) for path in (tmp_path / "videos").glob("*.json"))
    assert (note["fps"], note["prompt"], note["seed"], note["metadata"]["frames"]) == (16, PROMPTS[0], 0, 9)
    assert len(note["metadata"]["export"]) == 16


def test_seconds_count_in_frames_a_second(wan: Source, tmp_path: Path) -> None:
    (video,) = written(wan, tmp_path, PROMPTS[:1], seconds=1.5).values()
    assert len(video) == 24


def test_a_switch_in_seconds_changes_the_chunk_it_lies_in_and_what_follows(wan: Source, tmp_path: Path) -> None:
    """At 16 frames a second, 0.6 s is video frame 9: the first of the second chunk."""
    (plain,) = written(wan, tmp_path / "plain", PROMPTS[:1], frames=30).values()
    (switched,) = written(wan, tmp_path / "switched", PROMPTS[:1], frames=30, switches={0.6: PROMPTS[1]}).values()
    assert torch.equal(plain[:9], switched[:9])
    assert not torch.equal(plain[9:], switched[9:])


def test_what_is_missing_is_told_before_anything_is_written(wan: Source, tmp_path: Path) -> None:
    for overrides, said in (
        (wan[1].overrides[:-1], r"codec: .*taew2_1.pth is not there; allowed: taew2_1.pth"),
        ([], r"codec: .*Wan2.1_VAE.pth is not there; allowed: Wan2.1_VAE.pth or a diffusers folder"),
    ):
        with pytest.raises(ValueError, match=said):
            written((wan[0], Equipment(overrides=overrides)), tmp_path / "out", PROMPTS[:1], frames=3)
    write_clip(tmp_path / "a.mkv", Clip(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), 8))
    with pytest.raises(ValueError, match=r"weights: .*a.mkv"):
        written((tmp_path / "a.mkv", Equipment()), tmp_path / "out", PROMPTS[:1], frames=3)
    assert not (tmp_path / "out").exists()
