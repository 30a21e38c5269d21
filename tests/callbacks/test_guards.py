"""Real trainings in which something becomes NaN or infinite on purpose."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from reward_forcing.callbacks.guards import Guards, keep, readable
from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.modules.distillation import Distillation
from reward_forcing.modules.faults import SkippedStep
from reward_forcing.shapes import Latents, Rewards
from tests import training

pytestmark = pytest.mark.filterwarnings("ignore")

FAULTY = 3
"""The second student turn: each is followed by two of the fake score."""


class BadReward(training.Brightness):
    """NaN for the second sample at some of its calls, one each student turn."""

    def __init__(self, *calls: int) -> None:
        self.calls, self.called = calls, 0

    def __call__(self, clean: Latents, prompts: Any) -> Rewards:
        rewards = super().__call__(clean, prompts)
        if self.called in self.calls:
            rewards[1] = torch.nan
        self.called += 1
        return rewards


def bad_reward(module: Distillation) -> None:
    module.frozen.reward = BadReward(1)


def bad_loss(module: Distillation) -> None:
    usual = module._student_loss

    def at_times(*given: Any, **more: Any) -> Any:
        report = usual(*given, **more)
        return {**report, "loss": report["loss"] * (float("inf") if module.global_step == FAULTY else 1)}

    module._student_loss = at_times  # type: ignore[method-assign]


def bad_gradient(module: Distillation) -> None:
    weight = next(module.student.parameters())
    weight.register_hook(lambda gradient: gradient * (float("nan") if module.global_step == FAULTY else 1))


FAULTS = {"reward": bad_reward, "loss": bad_loss, "gradient": bad_gradient}


class States(training.Reports):
    """Everything that learns, before and after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Any] = []
        self.after: list[Any] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.before.append(state(trainer, pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *rest: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, *rest)
        self.after.append(state(trainer, pl_module))


def state(trainer: Trainer, module: LightningModule) -> Any:
    optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]
    return copy.deepcopy((module.state_dict(), [[part["state"] for part in one["parts"]] for one in optimizers]))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_step_counts_but_moves_nothing(fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    module, states = training.distillation(ReDMD(beta=1.0)), States()
    FAULTS[fault](module)
    guards = Guards(folder=tmp_path, largest_skips=1)
    trainer = training.fit(module, 8, WeightEMA(decay=0.5), guards, states)
    assert trainer.global_step == len(states.all) == 8
    assert same(states.before[FAULTY], states.after[FAULTY])
    assert not any(same(states.before[step], states.after[step]) for step in range(8) if step != FAULTY)
    skipped = [float(next(v for k, v in report.items() if k.endswith("/skipped"))) for report in states.all]
    assert skipped == [float(step == FAULTY) for step in range(8)]
    assert all(value.isfinite().all() for value in module.state_dict().values())
    told = json.loads((tmp_path / f"step={FAULTY},rank=0.json").read_text())
    assert fault in "".join(told["causes"])
    assert (told["network"], told["step"], told["rank"], told["seed"]) == ("student", FAULTY, 0, 0)
    assert told["batch"]["prompts"] == nth_batch(FAULTY)["prompts"]
    assert f"step {FAULTY}: not finite: student/" in caplog.text
    assert guards.total == {"student": 1}
    assert guards.in_a_row == {"student": 0, "fake_score": 0}


def nth_batch(number: int) -> Any:
    return next(iter(training.StepLoader(4, number)))


def test_what_is_kept_leads_back_to_the_samples(tmp_path: Path) -> None:
    """A healthy training's rewards by prompts and keys: the same but for the sample that is to blame."""
    again, healthy = training.distillation(micro_batches=2), {}
    usual = again._student_loss

    def noted(batch: Any, key: Any, *given: Any, **more: Any) -> Any:
        report = usual(batch, key, *given, **more)
        healthy[key] = (batch["prompts"], report["reward"].tolist())
        return report

    again._student_loss = noted  # type: ignore[method-assign]
    training.fit(again, 1)
    module = training.distillation(micro_batches=2)
    module.frozen.reward = BadReward(0)
    training.fit(module, 1, Guards(folder=tmp_path, largest_skips=1))
    told = json.loads((tmp_path / "step=0,rank=0.json").read_text())
    assert told["keys"] == [[0, 0, 0], [0, 1, 0]]
    (prompts, first), (others, second) = (healthy[tuple(key)] for key in told["keys"])
    assert told["batch"]["prompts"] == [*prompts, *others]
    assert [report["reward"] for report in told["micro_batches"]] == [[first[0], "nan"], second]
    assert set(load_file(tmp_path / "step=0,rank=0.safetensors")) == {"latents", "emphasis", "states"}


def test_a_healthy_training_leaves_no_trace(tmp_path: Path) -> None:
    reports, guards = training.Reports(), Guards(folder=tmp_path / "faults", largest_skips=0)
    training.fit(training.distillation(), 4, reports, guards)
    assert not (tmp_path / "faults").exists()
    assert guards.total == {}
    assert {float(v) for report in reports.all for k, v in report.items() if k.endswith("/skipped")} == {0.0}


def test_too_many_in_a_row_end_the_training(tmp_path: Path) -> None:
    """A network's own steps are counted: healthy steps of the fake score lie between."""
    module, guards = training.distillation(), Guards(folder=tmp_path, largest_skips=1)
    module.frozen.reward = BadReward(0, 2, 3)
    with pytest.raises(ValueError, match=r"step 9: not finite: student/reward.* in 2 steps of the student in a row"):
        training.fit(module, 20, guards)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [f"step={s},rank=0.json" for s in (0, 6, 9)]
    assert guards.total == {"student": 3}


def test_counting_goes_on_after_a_pause(tmp_path: Path) -> None:
    one, other = (Guards(folder=tmp_path, largest_skips=1) for _ in range(2))
    module = training.distillation()
    module.frozen.reward = BadReward(0)
    training.fit(module, 2, one).save_checkpoint(tmp_path / "half.ckpt")
    again = training.distillation()
    again.frozen.reward = BadReward(0)
    with pytest.raises(ValueError, match="in 2 steps of the student in a row"):
        training.fit(again, 4, other, resume=tmp_path / "half.ckpt", first=2)


def test_the_count_is_logged_where_it_grows(tmp_path: Path) -> None:
    logger, module = CSVLogger(tmp_path, name="", version=""), training.distillation()
    module.frozen.reward = BadReward(1, 2)
    trainer = Trainer(
        max_steps=7,
        accelerator="cpu",
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Guards(folder=tmp_path, largest_skips=5)],
    )
    trainer.fit(module, DataLoader(training.StepLoader(2), batch_size=None))
    logger.save()
    assert (tmp_path / "metrics.csv").read_text().split() == ["step,student/skipped_steps", "4,1", "7,2"]


def test_what_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        keep(tmp_path / "file/step.json", SkippedStep(0, ("loss",), ((0, 0, 0),), (), 1.0, {"prompts": ["a"]}))
    assert "could not be written down" in caplog.text


def test_large_tensors_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skipped = SkippedStep(0, ("loss",), ((0, 0, 0),), (), 1.0, {"latents": torch.zeros(10), "prompts": ["a"]})
    keep(tmp_path / "small.json", skipped)
    monkeypatch.setattr("reward_forcing.callbacks.guards.LARGEST_TENSORS", 39)
    keep(tmp_path / "large.json", skipped)
    assert {path.name for path in tmp_path.iterdir()} == {"small.json", "small.safetensors", "large.json"}


def test_json_has_words_for_what_is_no_number() -> None:
    assert readable([1.5, float("nan"), [float("inf"), float("-inf")]]) == [1.5, "nan", ["inf", "-inf"]]
    assert readable(torch.tensor(2.0)) == 2.0


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"callbacks\.guards\.largest_skips is -1; it must be at least 0"):
        Guards(folder="x", largest_skips=-1)
