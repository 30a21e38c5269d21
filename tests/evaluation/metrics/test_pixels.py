"""Pixel metrics need no toy world, and tell a frozen video from a moving one."""

import pytest
import torch

from evaluation.evidence import look
from evaluation.metrics.pixels import frame_difference, sink_similarity, temporal_flickering
from tests.evaluation.made import MOVING, truth

PROMPTS = ["a cat"] * len(MOVING)


def test_a_frozen_video_is_still_and_like_its_beginning() -> None:
    frozen = look(truth(1).expand(-1, 9, -1, -1, -1), PROMPTS)
    assert (frame_difference(frozen) == 0).all()
    assert (temporal_flickering(frozen) == 1).all()
    assert sink_similarity(frozen).numpy() == pytest.approx(1, abs=1e-5)


def test_a_moving_video_leaves_its_beginning() -> None:
    evidence = look(truth(40), PROMPTS)
    assert (frame_difference(evidence).mean(1) > 1).all()
    assert (sink_similarity(evidence)[:, 20:].mean(1) < 0.8).all()


def test_similarity_is_to_the_whole_videos_beginning() -> None:
    evidence = look(truth(40), PROMPTS)
    torch.testing.assert_close(sink_similarity(evidence.between(30, 40)), sink_similarity(evidence)[:, 30:])
