from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reward_forcing.data.shards import Shards
from reward_forcing.data.toy import ToyClips, ToyShards, codec_digest, emphasis, encode, read_states, state_record
from reward_forcing.toy.render import render
from reward_forcing.toy.world import WorldConfig, sample, trace
from reward_forcing.videos import to_float, to_uint8
from tests.data import folders


def test_samples_are_the_rendered_scenes(tmp_path: Path) -> None:
    clips = folders.toy_clips()
    clips.write(tmp_path)
    shards = Shards(tmp_path)
    for number in range(len(shards)):
        scene = sample(clips.seed, number, clips.world)
        states = trace([scene], 0, clips.frames)
        video = to_uint8(render(states))
        assert shards.text(number) == scene.caption
        np.testing.assert_array_equal(shards.array(number, "video.npy"), video[0])
        latents = clips.codec.encode(to_float(video)) if clips.codec else None
        np.testing.assert_allclose(shards.array(number, "latents.npy"), latents[0].detach(), rtol=2e-3, atol=2e-3)  # type: ignore[index]
        read = read_states([shards.record(number)])
        for field in fields(states):
            torch.testing.assert_close(getattr(read, field.name), getattr(states, field.name), rtol=0, atol=0)


def test_numbers_do_not_depend_on_how_clips_are_grouped() -> None:
    clips = folders.toy_clips(clips=40, encoded=False)
    alone = next(iter(clips.samples(range(37, 38))))
    together = list(clips.samples(range(40)))[37]
    np.testing.assert_array_equal(alone["video.npy"], together["video.npy"])
    assert alone["state.json"] == together["state.json"]


def test_fields_are_stored_as_asked_for() -> None:
    everywhere = {"emphasis.npy", "caption.txt", "state.json"}
    for encoded, pixels, extra in ((True, False, {"latents.npy"}), (False, True, {"video.npy"})):
        found = next(iter(folders.toy_clips(encoded=encoded, pixels=pixels).samples(range(1))))
        assert set(found) == everywhere | extra


def test_emphasis_lies_where_the_sprite_is() -> None:
    states = trace([sample(0, index) for index in range(8)], 0, 5)
    near = emphasis(states)
    assert near.shape == (8, 5, 1, 8, 8)
    assert near.min() == 0
    assert near.max() <= 1
    column, row = (states.centre / 4).long().unbind(-1)
    clip, frame = torch.meshgrid(torch.arange(8), torch.arange(5), indexing="ij")
    assert (near[clip, frame, 0, row, column] > 0.5).all()
    assert 0.1 < (near > 0.1).float().mean() < 0.5


def test_folders_are_named_by_what_the_clips_depend_on(tmp_path: Path) -> None:
    base: dict[str, Any] = {"world": WorldConfig(), "clips": 2, "frames": 2, "seed": 0}
    changes: list[dict[str, Any]] = [
        {},
        {"world": WorldConfig(plain_fraction=1.0)},
        {"clips": 3},
        {"frames": 3},
        {"seed": 1},
        {"pixels": True},
        {"codec": folders.codec(0)},
        {"codec": folders.codec(1)},
    ]
    names = [ToyShards(str(tmp_path), ToyClips(**{**base, **change})).folder for change in changes]
    assert len(set(names)) == len(changes)
    assert ToyShards(str(tmp_path), ToyClips(**base)).folder == names[0]


def test_preparing_writes_once(tmp_path: Path) -> None:
    source = ToyShards(str(tmp_path), folders.toy_clips())
    source.prepare()
    written = {path: path.stat().st_mtime_ns for path in source.folder.glob("*.*") if path.name != ".lock"}
    source.prepare()
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert Shards(source.folder).manifest.origin == source.clips.origin


def test_a_codec_is_told_by_its_weights() -> None:
    codec = folders.codec()
    before = codec_digest(codec)
    assert before == codec_digest(folders.codec())
    codec.mean[0] += 1
    assert codec_digest(codec) != before


def test_encoding_gives_half_precision_latents_without_a_graph() -> None:
    video = torch.randint(0, 256, (1, 2, 3, 32, 32), dtype=torch.uint8)
    latents = encode(folders.codec(), video)
    assert latents.dtype == np.float16
    assert latents.shape == (1, 2, 2, 8, 8)


def test_states_survive_json_exactly() -> None:
    states = trace([sample(1, 0), sample(1, 1)], 0, 3)
    read = read_states([state_record(states, 0), state_record(states, 1)])
    for field in fields(states):
        left, right = getattr(read, field.name), getattr(states, field.name)
        assert left.dtype == right.dtype
        torch.testing.assert_close(left, right, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["clips", "frames"])
def test_counts_must_be_positive(name: str) -> None:
    options: dict[str, Any] = {"world": WorldConfig(), "clips": 1, "frames": 1, "seed": 0, name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        ToyClips(**options)
