""" "EMA-Sink ... without additional computation cost" (section 3.2): the same tokens, the same operations.

What it costs beside attention is one weighted sum over the sink a chunk.
"""

from dataclasses import replace

import pytest
from torch.utils.flop_counter import FlopCounterMode

from reward_forcing.memory.policy import SinkStrategy
from reward_forcing.networks import attention
from reward_forcing.plan.costs import Pass, Sizes, chunk_flops, forward_flops, kv_bytes, seen_frames
from reward_forcing.plan.networks import PUBLISHED
from reward_forcing.shapes import Geometry
from tests import tiny
from tests.claims.streams import EMA, LEVELS, STATIC, TOKENS, WINDOW, rollout, video, watched

CHUNKS = 8
WAN = Geometry(channels=16, height=60, width=104, frames=21, chunk_frames=3)
SMALL = Geometry(channels=2, height=4, width=4, frames=24, chunk_frames=3)


def operations(sink: SinkStrategy, window: int | None = WINDOW) -> int:
    """Floating-point operations of a streamed video, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        video(rollout(sink, window), tiny.network(), CHUNKS)
    return int(counter.get_total_flops())


def planned(geometry: Geometry, sizes: Sizes, words: int) -> int:
    """The same from sizes alone, without any sink in the arithmetic; the last chunk has no context pass."""
    run = Pass(frames=geometry.chunk_frames, tokens=geometry.tokens_per_frame, words=words)
    seen = [replace(run, keys=seen_frames(geometry, WINDOW, chunk)) for chunk in range(CHUNKS)]
    return sum(chunk_flops(sizes, one, steps=len(LEVELS)) for one in seen) - forward_flops(sizes, seen[-1])


def test_every_pass_attends_to_as_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    moving, still = (watched(rollout(sink), CHUNKS, monkeypatch) for sink in (EMA, STATIC))
    attended = [one.attended for one in moving.passes]
    assert attended == [one.attended for one in still.passes]
    assert max(max(layers) for layers in attended) == WINDOW * TOKENS
    assert sum(len(one.folds) for one in moving.passes), "frames have left the window"


def test_every_video_takes_as_many_operations_and_the_plan_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With prompts asked head by head, as those of many words are."""
    monkeypatch.setattr(attention, "are_few", lambda *_: False)
    assert operations(EMA) == operations(STATIC) == planned(SMALL, Sizes(**tiny.network().sizes), tiny.WORDS)
    assert operations(EMA, None) > operations(EMA), "without a window a video attends to more and more"


def test_the_weighted_sum_is_next_to_nothing_of_a_chunk_of_the_papers_student() -> None:
    """A product and a sum for each number of the sink, keys and values, in every layer."""
    sizes = PUBLISHED["1.3B"]
    run = Pass(frames=3, keys=WINDOW, tokens=WAN.tokens_per_frame, words=512)
    numbers = kv_bytes(sizes, frames=EMA.frames, tokens=WAN.tokens_per_frame, width=1)
    assert numbers == 2 * 30 * 3 * 1560 * 1536
    assert 3 * numbers / chunk_flops(sizes, run, steps=len(LEVELS)) < 2e-5
