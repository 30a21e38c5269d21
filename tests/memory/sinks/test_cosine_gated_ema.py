import pytest
import torch
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from reward_forcing.memory.kv import KV
from reward_forcing.memory.sinks.cosine_gated_ema import CosineGatedEMASink, cosine
from reward_forcing.memory.sinks.ema import EMASink
from tests.tiny import normal


def frames(seed: int) -> KV:
    """[layer, batch, frame, token, head, dim]"""
    return KV(normal(1, 2, 3, 5, 2, 4, seed=seed), normal(1, 2, 3, 5, 2, 4, seed=seed + 100))


def gated(sharpness: float = 1.0, decay: float = 0.8) -> CosineGatedEMASink:
    return CosineGatedEMASink(frames=3, decay=decay, sharpness=sharpness)


def test_the_cosine_is_that_of_each_frame_and_head() -> None:
    one, other = frames(1).keys, frames(2).keys
    found = cosine(one, other)
    assert found.shape == (1, 2, 3, 1, 2, 1)
    for batch, frame, head in ((0, 0, 0), (1, 2, 1), (0, 1, 1)):
        flat = [keys[0, batch, frame, :, head].flatten() for keys in (one, other)]
        assert_close(found[0, batch, frame, 0, head, 0], cosine_similarity(flat[0], flat[1], dim=0))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_gate_against_a_loop(sharpness: float) -> None:
    sink, evicted = frames(1), frames(2)
    folded = gated(sharpness).fold(sink, evicted)
    for batch in range(2):
        for frame in range(3):
            for head in range(2):
                at = (0, batch, frame, slice(None), head)
                likeness = cosine_similarity(sink.keys[at].flatten(), evicted.keys[at].flatten(), dim=0)
                weight = 0.2 * max(0.0, float(likeness)) ** sharpness
                for mine, old, new in zip(*([kv.keys, kv.values] for kv in (folded, sink, evicted)), strict=True):
                    assert_close(mine[at], (1 - weight) * old[at] + weight * new[at])


def test_what_is_alike_is_absorbed_as_by_ema_sink_whatever_its_length() -> None:
    sink = frames(1)
    alike = KV(3 * sink.keys, frames(2).values)
    mine, plain = gated().fold(sink, alike), EMASink(frames=3, decay=0.8).fold(sink, alike)
    assert_close(mine.keys, plain.keys)
    assert_close(mine.values, plain.values)


def test_what_is_opposite_is_not_absorbed() -> None:
    sink = frames(1)
    folded = gated().fold(sink, KV(-sink.keys, frames(2).values))
    assert torch.equal(folded.keys, sink.keys)
    assert torch.equal(folded.values, sink.values)


def test_without_sharpness_it_is_ema_sink() -> None:
    sink, evicted = frames(1), frames(2)
    assert_close(gated(0.0).fold(sink, evicted).keys, EMASink(frames=3, decay=0.8).fold(sink, evicted).keys)


def test_a_sharper_gate_absorbs_less() -> None:
    sink, evicted = frames(1), KV(frames(1).keys + frames(2).keys, frames(2).values)
    moves = [(gated(sharpness).fold(sink, evicted).keys - sink.keys).norm() for sharpness in (0.0, 1.0, 4.0)]
    assert moves[0] > moves[1] > moves[2] > 0


def test_keys_of_no_length_are_like_nothing() -> None:
    empty = frames(1).apply(torch.zeros_like)
    assert torch.equal(gated().fold(empty, frames(2)).keys, empty.keys)


def test_its_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"sink\.sharpness is -0\.5; it must be at least 0"):
        gated(-0.5)
    with pytest.raises(ValueError, match=r"sink\.decay is 2"):
        gated(decay=2)
