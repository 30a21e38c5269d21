"""Weighted sums: linear in the weights, equal to their parts, decoded once."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reward_forcing.composition.configuration import build, compose
from reward_forcing.rewards.frame_difference import FrameDifference
from reward_forcing.rewards.none import NoReward
from reward_forcing.rewards.protocols import PixelReward, RewardModel
from reward_forcing.rewards.weighted_sum import WeightedSum, judged
from tests.rewards.pixels import Pixels


class Counting(Pixels):
    """Counts what it decodes."""

    def __init__(self) -> None:
        self.decodings = 0

    def decode(self, latents: Tensor) -> Tensor:
        self.decodings += 1
        return latents


class Brightness:
    """Judges latents as they are."""

    def __call__(self, clean: Tensor, prompts: Sequence[str]) -> Tensor:  # noqa: ARG002
        return clean.mean((1, 2, 3, 4))

    def to(self, device: Any, /) -> "Brightness":  # noqa: ARG002
        return self


def videos(batch: int = 2) -> Tensor:
    return torch.rand(batch, 4, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def three(first: float, second: float, third: float, codec: Any = None) -> WeightedSum:
    rewards: dict[str, RewardModel] = {
        "fine": FrameDifference(None, 1.0), "coarse": FrameDifference(None, 2.0), "bright": Brightness()
    }  # fmt: skip
    return WeightedSum(codec or Pixels(), rewards=rewards, weights={"fine": first, "coarse": second, "bright": third})


@given(*[st.floats(-3, 3)] * 3)
def test_the_sum_is_that_of_its_weighted_parts(first: float, second: float, third: float) -> None:
    judge, video = three(first, second, third), videos()
    parts = judge.parts(video, ["a", "b"])
    torch.testing.assert_close(parts["fine"], FrameDifference(Pixels(), 1.0)(video, ["a", "b"]))
    torch.testing.assert_close(parts["bright"], video.mean((1, 2, 3, 4)))
    expected = first * parts["fine"] + second * parts["coarse"] + third * parts["bright"]
    torch.testing.assert_close(judge(video, ["a", "b"]), expected)


def test_logs_see_the_parts_of_a_sum() -> None:
    judge, video = three(1, 0.5, 2), videos()
    rewards, parts = judged(judge, video, ["a", "b"])
    assert torch.equal(rewards, judge(video, ["a", "b"]))
    assert list(parts) == ["fine", "coarse", "bright"]
    rewards, parts = judged(Brightness(), video, ["a", "b"])
    assert torch.equal(rewards, video.mean((1, 2, 3, 4)))
    assert not parts


def test_pixels_are_decoded_once_and_only_when_needed() -> None:
    codec = Counting()
    three(1, 1, 1, codec)(videos(), ["a", "b"])
    assert codec.decodings == 1
    latent_only = WeightedSum(codec, rewards={"none": NoReward()}, weights={"none": 2.0})
    assert latent_only(videos(), ["a", "b"]).tolist() == [0, 0]
    assert codec.decodings == 1
    assert isinstance(FrameDifference(None), PixelReward)
    assert not isinstance(NoReward(), PixelReward)


def test_sums_may_be_parts_of_sums() -> None:
    inner = three(1, 2, 0)
    outer = WeightedSum(None, rewards={"inner": inner}, weights={"inner": 0.5})
    torch.testing.assert_close(outer(videos(), ["a", "b"]), 0.5 * inner(videos(), ["a", "b"]))


def test_no_gradient_flows_and_it_says_what_it_is() -> None:
    judge = three(1, 0.5, -2).to("cpu")
    assert not judge(videos().requires_grad_(), ["a", "b"]).requires_grad
    assert judge.label == "1 fine + 0.5 coarse + -2 bright"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "the weights are for nothing; the rewards are none"),
        ({"other": 1.0}, "the weights are for other; the rewards are none"),
    ],
)
def test_names_must_agree(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WeightedSum(None, rewards={"none": NoReward()} if weights else {}, weights=weights)


def test_other_errors() -> None:
    with pytest.raises(ValueError, match="weights.none is inf; it must be finite"):
        WeightedSum(None, rewards={"none": NoReward()}, weights={"none": float("inf")})
    with pytest.raises(ValueError, match="rewards.weighted_sum: 1 prompts for 2 samples"):
        three(1, 1, 1)(videos(), ["a"])
    with pytest.raises(ValueError, match="rewards.weighted_sum: codec is null"):
        WeightedSum(None, rewards={"x": FrameDifference(None)}, weights={"x": 1.0})(videos(), ["a", "b"])


def test_parts_are_chosen_in_the_config() -> None:
    config = compose(["reward=weighted_sum", "reward@reward.rewards.first=frame_difference"])
    judge = build(config, "reward")
    assert isinstance(judge, WeightedSum)
    assert isinstance(judge.rewards["first"], FrameDifference)
    clean = torch.zeros(1, 2, 6, 8, 8)
    assert set(judge.parts(clean, ["red circle fast plain"])) == {"first", "second"}
