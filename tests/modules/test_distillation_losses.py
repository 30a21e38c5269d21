"""What distillation does for the losses: every one trains; statistics, weights of the fake score, gradients."""

import dataclasses
from typing import Any

import pytest
import torch

from reward_forcing.codecs.toy_codec import ToyCodec
from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import options
from reward_forcing.losses.protocols import FakeScoreWeighting, LossStrategy
from reward_forcing.losses.samples import History
from reward_forcing.losses.strategies.additive import Additive
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.losses.strategies.running_mean import RunningMean
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from reward_forcing.losses.strategies.sid import SiD
from reward_forcing.losses.strategies.weighted_fake_score import WeightedFakeScore
from reward_forcing.modules.distillation import Distillation, resting
from reward_forcing.rewards.frame_difference import FrameDifference
from tests import tiny, training


class Watch(training.Reports):
    """Keeps the rewards of the student's steps, too."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *more: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, *more)
        if "student/loss" in outputs:
            self.rewards.append(pl_module.distributions["student/rewards"])


class Broken(training.Brightness):
    """A judge of nothing."""

    def __call__(self, clean: Any, prompts: Any) -> Any:
        return super().__call__(clean, prompts) * float("nan")


def configured(name: str) -> LossStrategy:
    """A loss as configured; what it decodes with fits the small networks."""
    loss: LossStrategy = build(compose([f"loss={name}"]), "loss")
    if isinstance(loss, Additive):
        codec = ToyCodec(channels=tiny.SIZES["channels"], width=8).requires_grad_(requires_grad=False)
        return dataclasses.replace(loss, reward=FrameDifference(codec))
    return loss


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


@pytest.mark.parametrize("name", sorted(options("loss")))
def test_every_loss_trains(name: str) -> None:
    module, watch = training.distillation(configured(name), fake_score_steps=1), Watch()
    before = [flat(network) for network in (module.student, module.fake_score, module.frozen.teacher)]
    training.fit(module, 3, watch)
    after = [flat(network) for network in (module.student, module.fake_score, module.frozen.teacher)]
    changed = [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [True, True, False]
    assert all(value.isfinite() for report in watch.all for value in report.values())
    assert {"student/effective_sample_size", "student/largest_share", "student/reward_spread"} <= set(watch.all[0])
    assert ("fake_score/reward" in watch.all[1]) == isinstance(module.loss, FakeScoreWeighting)
    assert set(module.distributions) == {"student/rewards", "student/weights"}
    assert all(parameter.requires_grad for parameter in module.fake_score.parameters())


def test_history_has_the_rewards_of_all_students_steps() -> None:
    module, watch = (
        training.distillation(RunningMean(beta=1.0, decay=0.6), micro_batches=2, fake_score_steps=1),
        Watch(),
    )
    training.fit(module, 5, watch)
    assert [len(rewards) for rewards in watch.rewards] == [4, 4, 4]
    history = History.start()
    for rewards in watch.rewards:
        history = history.after(rewards, 0.6)
    assert torch.equal(module.reward_history, history.packed())


def test_a_step_that_is_skipped_leaves_history_alone() -> None:
    module = training.distillation(ReDMD(beta=1.0))
    module.frozen.reward = Broken()
    training.fit(module, 1)
    assert module.reward_history.tolist() == [0, 0, 0]


def test_gradients_through_the_scores_stay_out_of_the_networks() -> None:
    """Only the student learns, though both scores are differentiated."""
    module = training.distillation(SiD(alpha=1.0))
    given = next(iter(training.StepLoader(2)))
    with resting(module.fake_score):
        module._student_loss(given, (0, 0, 0), [])["loss"].backward()
    networks = (module.fake_score, module.frozen.teacher)
    assert all(parameter.grad is None for network in networks for parameter in network.parameters())
    assert any(parameter.grad is not None for parameter in module.student.parameters())


def test_resting_ends_after_errors_and_leaves_frozen_parameters_frozen() -> None:
    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad = False
    seen = []

    def failing() -> None:
        with resting(network):
            seen.append(network.weight.requires_grad)
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        failing()
    assert seen == [False]
    assert network.weight.requires_grad
    assert not network.bias.requires_grad


def losses_of_the_fake_score(loss: LossStrategy) -> list[float]:
    module = training.distillation(loss)
    given = next(iter(training.StepLoader(4)))
    reports = [module._fake_score_loss({"prompts": given["prompts"][i : i + 1]}, (0, i, 0)) for i in range(4)]
    return [float(report["loss"].detach()) for report in reports]


def test_the_fake_scores_samples_count_what_the_loss_says() -> None:
    plain = losses_of_the_fake_score(ReDMD(beta=1.0))
    weighted = losses_of_the_fake_score(WeightedFakeScore(beta=1.0, fake_beta=-2.0))
    assert losses_of_the_fake_score(WeightedFakeScore(beta=1.0, fake_beta=0.0)) == pytest.approx(plain)
    rewards = [float(rewards_of(index)) for index in range(4)]
    for index, reward in enumerate(rewards):
        assert weighted[index] == pytest.approx(plain[index] * float(torch.tensor(-2 * reward).exp()), rel=1e-4)


def rewards_of(index: int) -> torch.Tensor:
    """Of the sample above."""
    module: Distillation = training.distillation()
    prompts = next(iter(training.StepLoader(4)))["prompts"][index : index + 1]
    with torch.no_grad():
        return training.Brightness()(module._generate(prompts, (0, index, 0)), prompts)


def test_comparing_one_sample_with_itself_is_refused() -> None:
    module = training.distillation(SelfNormalisedReDMD(beta=1.0), micro_batches=4)
    with pytest.raises(ValueError, match=r"compares samples of a micro-batch.*student_recipe\.micro_batches"):
        training.fit(module, 1)
