import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.losses.strategies.additive import Additive
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.rewards.frame_difference import FrameDifference
from reward_forcing.rewards.none import NoReward
from tests.tiny import apart, judged, normal

CODEC = ToyCodec(channels=2, width=8).requires_grad_(requires_grad=False)


def parts() -> tuple[Tensor, Tensor]:
    return normal(2, 3, 2, 8, 8, seed=1), normal(2, 3, 2, 8, 8, seed=2)


def test_the_gradient_is_dmds_minus_the_rewards() -> None:
    reward, (clean, gap) = FrameDifference(CODEC, scale=10.0), parts()
    leaves = [clean.clone().requires_grad_() for _ in range(3)]
    Additive(reward=reward, strength=0.3)(leaves[0], apart(gap), judged(normal(2))).backward()
    DMD()(leaves[1], apart(gap), judged(normal(2))).backward()
    video = CODEC.decode(leaves[2])
    (video[:, 1:] - video[:, :-1]).abs().mean().div(10.0).backward()
    together, plain, climbed = (leaf.grad for leaf in leaves)
    assert climbed is not None
    assert climbed.abs().max() > 1e-7, "gradients do flow through the codec"
    assert plain is not None
    assert_close(together, plain - 0.3 * climbed)
    assert all(parameter.grad is None for parameter in CODEC.parameters())


def test_strength_zero_is_dmd() -> None:
    (clean, gap), samples = parts(), judged(normal(2))
    loss = Additive(reward=FrameDifference(CODEC), strength=0.0)
    assert_close(loss(clean, apart(gap), samples), DMD()(clean, apart(gap), samples))


def test_following_the_gradient_makes_frames_differ_more() -> None:
    reward, (clean, _) = FrameDifference(CODEC, scale=10.0), parts()
    leaf = clean.clone().requires_grad_()
    Additive(reward=reward, strength=1.0)(leaf, apart(torch.zeros_like(clean)), judged(normal(2))).backward()
    assert leaf.grad is not None
    moved = clean - leaf.grad / leaf.grad.abs().max()
    assert (reward(moved, ["", ""]) > reward(clean, ["", ""])).all()


def test_a_reward_without_gradients_is_refused() -> None:
    with pytest.raises(ValueError, match=r"loss\.reward is NoReward, which cannot be differentiated; allowed: .*Frame"):
        Additive(reward=NoReward(), strength=1.0)
    with pytest.raises(ValueError, match=r"loss\.strength is -1"):
        Additive(reward=FrameDifference(CODEC), strength=-1.0)
