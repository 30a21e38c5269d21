"""A judge that must answer in time: real threads, real waiting."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.composition.validation import validate
from reward_forcing.rewards.limited import Limited
from reward_forcing.shapes import Latents, Rewards

CLEAN, PROMPTS = torch.randn(3, 2, 2, 4, 4), ["a", "b", "c"]


class Judge:
    """A mean, after a while; or an error."""

    def __init__(self, wait: float = 0.0, error: Exception | None = None) -> None:
        self.wait, self.error, self.device = wait, error, "cpu"
        self.gradients = True

    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        assert len(prompts) == len(clean)
        time.sleep(self.wait)
        self.gradients = torch.is_grad_enabled()
        if self.error:
            raise self.error
        return clean.mean((1, 2, 3, 4))

    def to(self, device: Any, /) -> "Judge":
        self.device = str(device)
        return self


def test_answers_are_those_of_the_judge() -> None:
    judge = Judge()
    assert torch.equal(Limited(reward=judge, seconds=60)(CLEAN, PROMPTS), judge(CLEAN, PROMPTS))
    assert judge.gradients
    Limited(reward=judge, seconds=60)(CLEAN, PROMPTS)
    assert not judge.gradients, "judging is never part of a gradient"


def test_a_judge_that_hangs_is_named_in_time() -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"reward: Judge gave no answer within 0\.2 s; allowed: a larger"):
        Limited(reward=Judge(wait=20), seconds=0.2)(CLEAN, PROMPTS)
    assert time.perf_counter() - started < 10


def test_errors_are_passed_on() -> None:
    with pytest.raises(KeyError, match="weights"):
        Limited(reward=Judge(error=KeyError("weights")), seconds=60)(CLEAN, PROMPTS)


def test_it_moves_and_is_called_like_the_judge() -> None:
    limited = Limited(reward=Judge(), seconds=1)
    assert limited.to("meta") is limited
    assert limited.reward.device == "meta"  # type: ignore[attr-defined]
    assert limited.label == "Judge"
    with pytest.raises(ValueError, match=r"reward\.seconds is 0; it must be above 0"):
        Limited(reward=Judge(), seconds=0)


def test_any_other_reward_can_be_limited() -> None:
    config = compose(["reward=limited", "reward.seconds=5", "reward@reward.reward=frame_difference"])
    validate(config)
    assert plain(config)["reward"]["reward"]["_target_"].endswith("FrameDifference")
