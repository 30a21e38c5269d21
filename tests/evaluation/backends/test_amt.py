"""Odd frames against what the network puts between their neighbours."""

import torch

from evaluation.backends.amt import surprise
from evaluation.networks.amt import Amt, interpolated
from evaluation.signals import Asked
from tests.evaluation.backends.small import AMT, smooth, watched
from tests.evaluation.networks.filling import filled


def by_vbench(network: Amt, video: torch.Tensor) -> torch.Tensor:
    """Even frames, what lies between them, and how far the dropped ones are from it."""
    between = interpolated(network, video[::2])
    return (between.float() - video[1::2][: len(between)].float()).abs().mean((1, 2, 3))


def test_rows_are_vbenchs() -> None:
    network = filled(Amt(**AMT), std=0.06)
    for frames in (8, 9):
        video = smooth(frames, 40, 60)
        signal = watched("amt", video, Asked(("a",), frames, 8.0), size=3)["surprise"]
        torch.testing.assert_close(signal.values[0], by_vbench(network, video[0]), rtol=1e-3, atol=1e-2)


def test_a_frozen_video_surprises_by_what_the_network_changes() -> None:
    """The mean of both frames is the frame, if nothing is learnt."""
    network, frame = filled(Amt(**AMT), std=0.0), smooth(1, 32, 48)[0]
    assert surprise(network, frame, frame, frame)[0] < 0.5  # a level here and there, by rounding
    assert surprise(network, frame, 255 - frame, frame)[0] > 10
