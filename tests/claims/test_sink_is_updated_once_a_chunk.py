"""The sink absorbs what leaves the window once a chunk, before the chunk's first pass (section 3.2)."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.memory.kv import KV
from tests import tiny
from tests.claims.streams import CHUNK, EMA, LEVELS, WINDOW, Diary, Pass, rollout, watched

CHUNKS = 8
LAYERS: int = tiny.SIZES["layers"]
EVICTING = WINDOW // CHUNK - 1
"""The first chunk whose context pass leaves no room for another: from the next one on, the sink has moved."""


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Diary:
    return watched(rollout(EMA), CHUNKS, monkeypatch)


def sink_of(one: Pass, layer: int) -> KV:
    """What a pass saw of the sink."""
    known = one.read[layer]
    assert known is not None
    return known.between(0, CHUNK)


def same(first: KV, second: KV) -> bool:
    return torch.equal(first.keys, second.keys) and torch.equal(first.values, second.values)


def test_only_context_passes_fold_once_a_layer(diary: Diary) -> None:
    assert len(diary.passes) == CHUNKS * (len(LEVELS) + 1) - 1
    assert [one.folds for one in diary.contexts] == [
        [CHUNK] * LAYERS * (chunk >= EVICTING) for chunk in range(CHUNKS - 1)
    ]
    assert not any(one.folds for chunk in diary.denoising for one in chunk)


def test_the_first_pass_already_sees_the_new_sink_and_the_others_see_the_same(diary: Diary) -> None:
    for layer in range(LAYERS):
        sinks = [[sink_of(one, layer) for one in chunk] for chunk in diary.denoising[1:]]
        assert all(same(chunk[0], other) for chunk in sinks for other in chunk)
        moved = [not same(before[-1], after[0]) for before, after in itertools.pairwise(sinks)]
        assert moved == [chunk > EVICTING for chunk in range(2, CHUNKS)]


def test_what_it_sees_is_the_papers_formula(diary: Diary) -> None:
    """S_b = decay S_{b-1} + (1 - decay) K_{b-2}, over what context passes write; the window is three chunks."""
    for layer in range(LAYERS):
        expected = diary.contexts[0].wrote[layer]
        for chunk in range(EVICTING + 1, CHUNKS):
            left = diary.contexts[chunk - EVICTING].wrote[layer]
            expected = KV(
                EMA.decay * expected.keys + (1 - EMA.decay) * left.keys,
                EMA.decay * expected.values + (1 - EMA.decay) * left.values,
            )
            seen = sink_of(diary.denoising[chunk][0], layer)
            assert_close((seen.keys, seen.values), (expected.keys, expected.values))


@pytest.mark.parametrize(("frames", "chunk", "window"), [(2, 3, 7), (3, 1, 6), (4, 3, 9)])
def test_every_frame_that_leaves_is_absorbed_once_whatever_the_sizes(
    frames: int, chunk: int, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = 9
    diary = watched(rollout(replace(EMA, frames=frames), window, chunk), chunks, monkeypatch)
    left = (chunks - 1) * chunk - (window - chunk)
    assert sum(map(sum, (one.folds for one in diary.contexts))) == LAYERS * left
    assert not any(one.folds for passes in diary.denoising for one in passes)
