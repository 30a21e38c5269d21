import pytest
import torch
from torch.testing import assert_close

from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.two_timescale import TwoTimescaleEMASink
from tests.tiny import normal, remembered


def frames(seed: int, heads: int = 5) -> KV:
    return KV(normal(1, 2, 3, 2, heads, 4, seed=seed), normal(1, 2, 3, 2, heads, 4, seed=seed + 100))


def after(sink: TwoTimescaleEMASink | EMASink, heads: int = 5) -> KV:
    """The sink after five evictions."""
    parts = [frames(seed, heads) for seed in range(7)]
    return remembered(MemoryPolicy(sink=sink, window_frames=9, chunk_frames=3), parts)[-1].sink


@pytest.mark.parametrize(
    ("share", "heads", "static"), [(0.5, 5, 2), (0.5, 4, 2), (0.25, 4, 1), (0.0, 5, 0), (1.0, 5, 5), (0.5, 1, 0)]
)
def test_some_heads_stay_and_the_others_average(share: float, heads: int, static: int) -> None:
    mine = after(TwoTimescaleEMASink(frames=3, decay=0.8, static_share=share), heads)
    plain, start = after(EMASink(frames=3, decay=0.8), heads), frames(0, heads)
    for kept, averaged, first in ((mine.keys, plain.keys, start.keys), (mine.values, plain.values, start.values)):
        assert torch.equal(kept[..., :static, :], first[..., :static, :])
        assert_close(kept[..., static:, :], averaged[..., static:, :])
        assert (kept[..., static:, :] != first[..., static:, :]).any(-1).all()


def test_it_holds_as_much_as_any_sink() -> None:
    mine, plain = after(TwoTimescaleEMASink(frames=3, decay=0.8, static_share=0.5)), after(EMASink(frames=3, decay=0.8))
    assert mine.keys.shape == plain.keys.shape


def test_its_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"sink\.static_share is 1\.5; it must be within \[0, 1\]"):
        TwoTimescaleEMASink(frames=3, decay=0.5, static_share=1.5)
    with pytest.raises(ValueError, match=r"sink\.decay is 3"):
        TwoTimescaleEMASink(frames=3, decay=3, static_share=0.5)
