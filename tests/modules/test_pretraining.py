import torch

from reward_forcing.callbacks.weight_ema import WeightEMA
from tests import training


def test_loss_falls_on_a_repeated_batch() -> None:
    module = training.pretraining()
    batch = next(iter(training.StepLoader(4)))
    before = module._loss(batch, (0, 0, 0))["loss"]
    reports = training.Reports()
    training.fit(module, 12, reports, WeightEMA(decay=0.5))
    assert module._loss(batch, (0, 0, 0))["loss"] < before
    assert module.exports() == {"teacher": module.teacher_ema}


def test_emphasis_weights_the_loss() -> None:
    module = training.pretraining()
    batch = next(iter(training.StepLoader(4)))
    plain = module._loss(batch, (0, 0, 0))["loss"]
    doubled = module._loss({**batch, "emphasis": 2 * batch["emphasis"]}, (0, 0, 0))["loss"]
    torch.testing.assert_close(doubled, 2 * plain)


def test_dropped_prompts_do_not_matter() -> None:
    module = training.pretraining()
    module.prompt_dropout = 1.0
    batch = next(iter(training.StepLoader(4)))
    other = {**batch, "prompts": ["small"] * 4}
    assert torch.equal(module._loss(batch, (0, 0, 0))["loss"], module._loss(other, (0, 0, 0))["loss"])
