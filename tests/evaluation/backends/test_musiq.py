"""Every frame has the score that the network gives it."""

import torch

from evaluation.backends.musiq import BACKENDS
from evaluation.networks.musiq import Musiq, imaging_scores
from evaluation.signals import Asked
from tests.evaluation.backends.small import MUSIQ, smooth, watched
from tests.evaluation.networks.filling import filled


def test_every_frame_has_a_score() -> None:
    video = smooth(7, 40, 60, clips=2)
    signal = watched("musiq", video, Asked(("a", "b"), 7, 8.0), size=3)["imaging"]
    expected = imaging_scores(filled(Musiq(**MUSIQ), std=0.2), video[1])
    torch.testing.assert_close(signal.values[1], expected)


def test_the_file_says_who_may_use_it() -> None:
    (file,) = BACKENDS[0].files
    assert "non-commercial" in file.licence
    assert file.names == ("musiq_spaq_ckpt-358bb6af.pth",)
