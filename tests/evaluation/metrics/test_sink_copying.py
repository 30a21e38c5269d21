"""Falling back to the beginning and stopping, in videos of any world."""

import pytest
import torch
from torch import Tensor

from evaluation.evidence import Evidence, look, observe
from evaluation.metrics.sink_copying import chunk_seams, revisits, seam_cuts, sink_relapse, sink_relapses, stagnation
from evaluation.signals import Asked
from tests.evaluation.made import MOVING, truth

PROMPTS = ["a cat"] * len(MOVING)


def seen(frames: Tensor) -> Evidence:
    return look(frames, PROMPTS)


def test_a_video_that_starts_again_relapses_as_often_as_it_does() -> None:
    frames = truth(45)
    again = seen(frames[:, [*range(15)] * 3])
    assert (sink_relapse(again) > 0.99).all()
    assert (sink_relapses(again) >= 2).all()
    assert revisits(again).numpy() == pytest.approx(6 / 39)
    assert revisits(seen(frames)).mean() < 0.05


def test_one_flashback_is_one_deep_relapse() -> None:
    frames = truth(24)
    flash = frames.clone()
    flash[:, 16:18] = frames[:, :2]
    whole, torn = seen(frames), seen(flash)
    assert (sink_relapses(torn) >= 1).all()
    assert (sink_relapse(torn) > 0.5).all()
    assert sink_relapse(whole).mean() < 0.5
    assert revisits(torn).numpy() == pytest.approx(2 / 18, abs=0.06)


def test_a_frozen_video_stagnates_and_never_left() -> None:
    frozen = seen(truth(1).expand(-1, 20, -1, -1, -1))
    assert (stagnation(frozen) == 1).all()
    assert (sink_relapse(frozen) == 0).all()
    assert (revisits(frozen) == 1).all()


def test_stagnation_is_the_share_that_stands_still() -> None:
    frames = truth(21)
    frames[:, 11:] = frames[:, 10:11]
    assert stagnation(seen(frames)).numpy() == pytest.approx(0.5, abs=0.06)
    assert (stagnation(seen(frames).between(11, 21)) == 1).all()
    assert torch.equal(stagnation(seen(truth(21))), torch.zeros(3))


@pytest.mark.parametrize("start", [0, 1, 5])
def test_seams_are_looked_for_where_chunks_begin(start: int) -> None:
    frames = truth(31)
    stepped = frames[:, torch.arange(30) // 3 * 3]
    shifted = frames[:, (torch.arange(30) + 1) // 3 * 3]
    assert look(frames, MOVING).between(start, 30) is not None
    whole, seamed, elsewhere = (
        float(chunk_seams(look(some, MOVING).between(start, 30)).nanmean())
        for some in (frames[:, :30], stepped, shifted)
    )
    assert whole == pytest.approx(1, abs=0.1)
    assert elsewhere == pytest.approx(0, abs=1e-6)
    assert not seamed < 100


def known(frames: Tensor, chunks: object) -> Evidence:
    asked = Asked(tuple(PROMPTS), frames.shape[1], 16.0, details=({"chunks": chunks},) * len(PROMPTS))
    return observe([frames], asked)


def test_seams_of_other_worlds_are_known_from_the_manifest() -> None:
    frames = truth(31)
    stepped = frames[:, [0, *[1 + i // 4 * 4 for i in range(24)]]]
    assert not (chunk_seams(known(stepped, [1, 4])) < 100).any()  # NaN: nothing changes elsewhere
    assert (chunk_seams(known(stepped, [3, 4])) < 0.01).all()
    for unknown in (None, [0, 4], [4], "3"):
        assert chunk_seams(known(stepped, unknown)).isnan().all()
    assert chunk_seams(known(stepped, [25, 25])).isnan().all()


def test_cuts_on_seams_are_told_from_cuts_elsewhere() -> None:
    frames = truth(41)[:, :24]
    on, off = (torch.cat([frames[:, :at], 255 - frames[:, at:]], 1) for at in (12, 14))
    assert seam_cuts(known(on, [4, 4])).numpy() == pytest.approx(1 / 5)
    assert (seam_cuts(known(off, [4, 4])) == 0).all()
    assert (seam_cuts(known(frames[:, :1].expand_as(frames), [4, 4])) == 0).all()
    assert seam_cuts(known(on, None)).isnan().all()
