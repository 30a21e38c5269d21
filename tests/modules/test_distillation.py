import copy

import pytest
import torch

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.modules.distillation import Distillation, ScoreSettings
from tests import training


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()]).clone()


def test_each_step_trains_exactly_one_network() -> None:
    module = training.distillation()
    seen = []

    class Watch(training.Reports):
        def on_train_batch_start(self, *_: object) -> None:
            self.before = weights(module.student), weights(module.fake_score), weights(module.frozen.teacher)

        def on_train_batch_end(self, *_: object, **__: object) -> None:
            after = weights(module.student), weights(module.fake_score), weights(module.frozen.teacher)
            seen.append([not torch.equal(old, new) for old, new in zip(self.before, after, strict=True)])

    trainer = training.fit(module, 6, Watch())
    student, fake_score = [True, False, False], [False, True, False]
    assert seen == [student, fake_score, fake_score] * 2
    assert trainer.global_step == 6


def test_networks_send_each_other_no_gradient() -> None:
    module = training.distillation()
    batch = next(iter(training.StepLoader(2)))
    module._student_loss(batch, (0, 0, 0))["loss"].backward()
    assert all(parameter.grad is None for parameter in module.fake_score.parameters())
    assert all(parameter.grad is None for parameter in module.frozen.teacher.parameters())
    assert any(parameter.grad is not None for parameter in module.student.parameters())
    module.zero_grad()
    module._fake_score_loss(batch, (0, 0, 0))["loss"].backward()
    assert all(parameter.grad is None for parameter in module.student.parameters())
    assert any(parameter.grad is not None for parameter in module.fake_score.parameters())


def test_reports_name_the_network_whose_turn_it_was() -> None:
    reports = training.Reports()
    training.fit(training.distillation(ReDMD(beta=3.0)), 4, reports)
    assert [next(iter(report)).split("/")[0] for report in reports.all] == [
        "student",
        "fake_score",
        "fake_score",
        "student",
    ]
    student = reports.all[0]
    assert 1 <= student["student/effective_sample_size"] <= 4
    assert 0.25 <= student["student/largest_share"] <= 1
    assert student["student/gradient_norm"] > 0


def test_beta_zero_distils_exactly_as_dmd() -> None:
    plain, rewarded = training.distillation(DMD()), training.distillation(ReDMD(beta=0.0))
    for module in (plain, rewarded):
        training.fit(module, 4)
    assert torch.equal(weights(plain.student), weights(rewarded.student))


def test_beta_changes_the_student() -> None:
    plain, rewarded = training.distillation(DMD()), training.distillation(ReDMD(beta=50.0))
    for module in (plain, rewarded):
        training.fit(module, 1)
    assert not torch.equal(weights(plain.student), weights(rewarded.student))


def test_checkpoints_hold_only_what_learns() -> None:
    names = {name.split(".")[0] for name in training.distillation().state_dict()}
    assert names == {"student", "student_ema", "fake_score"}


@pytest.mark.parametrize("fake_score_steps", [0, 3])
def test_average_follows_the_student_on_its_turns_only(fake_score_steps: int) -> None:
    module = training.distillation(fake_score_steps=fake_score_steps)
    expected = weights(module.student)
    student_after = []

    class Follow(training.Reports):
        def on_train_batch_end(self, *_: object, **__: object) -> None:
            student_after.append(weights(module.student))

    training.fit(module, 5, Follow(), WeightEMA(decay=0.7))
    turns = [state for step, state in enumerate(student_after) if step % (fake_score_steps + 1) == 0]
    for state in turns:
        expected = 0.7 * expected + 0.3 * state
    torch.testing.assert_close(weights(module.student_ema), expected)


def test_average_copies_until_its_start() -> None:
    module = training.distillation(fake_score_steps=0)
    training.fit(module, 3, WeightEMA(decay=0.9, start_step=3))
    assert torch.equal(weights(module.student_ema), weights(module.student))


def test_rollouts_of_one_step_differ_between_micro_batches_and_steps() -> None:
    module = training.distillation()
    clips = [module._generate(["red"], key) for key in ((0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0))]
    again = module._generate(["red"], (0, 0, 0))
    assert torch.equal(clips[0], again)
    assert all(not torch.equal(clips[0], other) for other in clips[1:])


def test_export_is_the_averaged_student() -> None:
    module = training.distillation()
    assert module.exports() == {"student": module.student_ema}
    assert isinstance(copy.copy(module), Distillation)


def test_score_settings_stay_within_bounds() -> None:
    settings = ScoreSettings(guidance_scale=4.0, shift=5.0, low=0.2, high=0.7)
    noise, sigma = settings.draw(torch.zeros(64, 2, 1, 2, 2), (0, "test"))
    assert noise.shape == (64, 2, 1, 2, 2)
    assert 0.2 <= sigma.min() <= sigma.max() <= 0.7 + 1e-6
    assert torch.equal(sigma[:, 0], sigma[:, 1])
