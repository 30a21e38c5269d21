"""Decoding for rewards: one prompt a sample, and something that decodes."""

from pathlib import Path

import pytest
import torch

from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.composition.configuration import build, compose
from reward_forcing.rewards.decoding import decoded
from tests import tiny
from tests.rewards.pixels import Pixels

VIDEO = torch.zeros(2, 3, 3, 8, 8)


def test_samples_become_pixels() -> None:
    assert decoded(Pixels(), VIDEO, ["a", "b"], place="rewards.x") is VIDEO


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="rewards.x: 1 prompts for 2 samples"):
        decoded(Pixels(), VIDEO, ["a"], place="rewards.x")
    with pytest.raises(ValueError, match="rewards.x: codec is null; give one, or judge within reward=weighted_sum"):
        decoded(None, VIDEO, ["a", "b"], place="rewards.x")


def test_a_reward_may_see_through_another_decoder_than_the_videos(tmp_path: Path) -> None:
    """As docs/how-to/real-weights.md says it."""
    path = tmp_path / "taew2_1.pth"
    torch.save(TinyCodec(widths=(4, 4, 4, 4)).state_dict(), path)
    own = ["+codec@reward_codec=tiny_wan", "reward.codec=${reward_codec}"]
    config = compose(
        ["checkpoints=wan", "codec=wan", "reward=frame_difference", *own, f"checkpoints.tiny_codec={path}"]
    )
    reward = build(config, "reward")
    assert isinstance(reward.codec, TinyCodec)
    assert config.codec._target_.endswith("load_wan_codec")
    assert reward(tiny.normal(2, 2, 16, 2, 2), ["a", "b"]).shape == (2,)
