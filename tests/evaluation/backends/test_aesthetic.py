"""The aesthetic score against its parts."""

from pathlib import Path

import pytest
import torch
from torch import nn

from evaluation.backends.aesthetic import load_head, scores
from evaluation.backends.clip import tensor_features
from evaluation.signals import Asked
from tests.evaluation.backends.small import small_clip, smooth, watched
from tests.evaluation.networks.filling import filled, noise

HEAD = filled(nn.Linear(16, 1), std=0.5)


def test_a_score_is_the_head_on_a_feature_of_length_one() -> None:
    frames = noise(3, 3, 40, 60)
    features = tensor_features(small_clip(), frames)
    expected = HEAD(features / features.norm(dim=1, keepdim=True)).squeeze(1) / 10
    torch.testing.assert_close(scores(small_clip(), HEAD, frames), expected)


def test_every_frame_has_a_score() -> None:
    video = smooth(9, 40, 60)
    signal = watched("aesthetic", video, Asked(("a",), 9, 8.0), size=4)["aesthetic"]
    torch.testing.assert_close(signal.values[0], scores(small_clip(), HEAD, video[0]))


def test_the_head_is_read_from_its_file(tmp_path: Path) -> None:
    torch.save(HEAD.state_dict(), tmp_path / "head.pth")
    assert torch.equal(load_head(tmp_path / "head.pth", features=16).weight, HEAD.weight)
    with pytest.raises(ValueError, match=r"aesthetic: .*head.pth does not fit Linear: .* \[1, 16\], not \[1, 768\]"):
        load_head(tmp_path / "head.pth")
