"""As released (`preset=official`): training never moves the sink, for nothing is folded; streaming does.

The paper speaks of training end to end with EMA-Sink; the released code trains with the first frames as they are.
"""

import json
from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.exports import notes_of
from reward_forcing.memory.kv import KV
from reward_forcing.rollout import Rollout
from reward_forcing.shapes import Geometry
from reward_forcing.stream_notes import config_of
from tests import tiny
from tests.claims.streams import CHUNK, WINDOW, Diary, watched

LAYERS: int = tiny.SIZES["layers"]


@pytest.fixture(scope="module")
def config() -> Any:
    return compose(["preset=official", "engine=reference"])  # every pass a call of the student, to be watched


@pytest.fixture
def training(config: Any, monkeypatch: pytest.MonkeyPatch) -> Diary:
    """A training rollout: 21 frames."""
    geometry: Geometry = build(config, "geometry")
    assert (geometry.frames, geometry.chunk_frames) == (21, CHUNK)
    how: Rollout = build(config, "rollout")
    assert how.memory.window_frames == WINDOW
    return watched(how, geometry.chunks, monkeypatch)


def of_chunk(diary: Diary, chunk: int, layer: int) -> KV:
    """What the context pass wrote."""
    return diary.contexts[chunk].wrote[layer]


def test_a_clip_is_generated_beside_its_first_frames_as_they_were(training: Diary) -> None:
    """Every chunk attends to the first chunk, to the one before it and to itself: nothing in between is mixed in."""
    assert len(training.denoising) == 7
    for chunk, passes in enumerate(training.denoising[2:], start=2):
        for layer in range(LAYERS):
            first, before = of_chunk(training, 0, layer), of_chunk(training, chunk - 1, layer)
            for one in passes:
                known = one.read[layer]
                assert known is not None
                assert torch.equal(known.keys, torch.cat([first.keys, before.keys], 1))
                assert torch.equal(known.values, torch.cat([first.values, before.values], 1))


def test_streaming_what_was_trained_moves_the_sink(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export's own notes say how it is streamed: EMA-Sink with decay 0.999."""
    noted = json.loads(notes_of(config, plain(config))["stream"])
    how: Rollout = build(config_of(noted, "export", sink=None, overrides=["engine=reference"]), "rollout")
    assert vars(how.memory.sink)["decay"] == 0.999
    assert how.memory.window_frames == WINDOW
    streaming = watched(how, 5, monkeypatch)
    assert sum(len(one.folds) for one in streaming.contexts) == 2 * LAYERS
    known = streaming.denoising[-1][0].read[0]
    assert known is not None
    assert not torch.equal(known.between(0, CHUNK).keys, of_chunk(streaming, 0, 0).keys)
