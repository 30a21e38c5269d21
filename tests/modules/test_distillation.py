import copy
from pathlib import Path

import pytest
import torch

from reward_forcing import seeding
from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.engine.quantised import LINEARS
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.modules.distillation import Distillation, ScoreSettings
from reward_forcing.modules.lora import LoRA
from reward_forcing.rollout import always, generate
from tests import tiny, training


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


@pytest.mark.parametrize("linears", LINEARS)
def test_networks_send_each_other_no_gradient(linears: str) -> None:
    module = training.distillation(linears=linears)
    batch = next(iter(training.StepLoader(2)))
    module._student_loss(batch, (0, 0, 0), [])["loss"].backward()
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
    assert names == {"student", "student_ema", "fake_score", "reward_history"}


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


def test_a_long_rollout_is_scored_at_its_end_alone() -> None:
    """The scored frames are the last of the whole stream, and only their chunks carry gradients."""
    module, passes = training.distillation(rollout_chunks=9), []
    module.student.register_forward_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    clean = module._generate(["red", "blue"], (0, 0, 0))
    assert clean.shape[1] == training.GEOMETRY.frames
    assert sum(passes) == training.GEOMETRY.chunks
    noise = seeding.VideoNoise(tuple((0, "rollout", 0, 0, 0, n) for n in range(2)), training.GEOMETRY.chunk_shape)
    exit_at = seeding.exit_step(0, 0, len(training.LEVELS))
    prompt = always(training.Words()(["red", "blue"]))
    whole = generate(module.rollout.stream(module.student, noise, prompt, chunks=range(9), exit_at=exit_at))
    assert torch.equal(clean, whole[:, -training.GEOMETRY.frames :])


def test_lengths_are_drawn_anew_at_each_step() -> None:
    module = training.distillation(rollout_chunks=[6, 7, 9])
    trainer = training.fit(module, 0)
    lengths = set()
    for step in range(20):
        trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = step
        assert module.global_step == step
        lengths.add(module._rollout_length())
    assert lengths == {6, 7, 9}


@pytest.mark.parametrize("chunks", [5, [6, 3], []])
def test_rollouts_are_never_shorter_than_a_clip(chunks: int | list[int]) -> None:
    with pytest.raises(ValueError, match=r"module\.rollout_chunks is .*; allowed: numbers of at least 6"):
        training.distillation(rollout_chunks=chunks)


def test_adapters_learn_while_the_student_stands_still() -> None:
    module = training.distillation(lora=LoRA(rank=2, alpha=4.0), fake_score_steps=0)
    before = {name: value.clone() for name, value in module.student.state_dict().items()}
    training.fit(module, 2, WeightEMA(decay=0.5))
    moved = {name for name, value in module.student.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(".lora_" in name for name in moved)
    exported = module.exports()["student"].state_dict()
    assert set(exported) == set(tiny.network().state_dict())


def test_a_teacher_in_eight_bits_teaches_nearly_the_same(tmp_path: Path) -> None:
    """Steps are near the exact ones, the teacher stays as it was written, and a resumed run goes on just the same."""
    exact, written, half, resumed = (training.distillation(linears=name) for name in ("exact", *["int8"] * 3))
    assert written.state_dict().keys() == exact.state_dict().keys(), "no part of checkpoints"
    before = copy.deepcopy(written.frozen.teacher.state_dict())
    reports = training.Reports(), training.Reports()
    training.fit(exact, 1, reports[0])
    training.fit(written, 4, reports[1])
    gaps = [report.all[0]["student/score_gap"] for report in reports]
    assert 1e-6 < abs(gaps[1] / gaps[0] - 1) < 0.05
    after = written.frozen.teacher.state_dict()
    assert all(torch.equal(after[name].float(), value.float()) for name, value in before.items())
    assert before["blocks.0.ffn.0.weight"].dtype == torch.int8
    training.fit(half, 2).save_checkpoint(tmp_path / "half.ckpt")
    training.fit(resumed, 4, resume=tmp_path / "half.ckpt", first=2)
    for one, other in ((written.student, resumed.student), (written.fake_score, resumed.fake_score)):
        assert torch.equal(weights(one), weights(other))


def test_a_device_that_cannot_compute_the_teacher_is_told_before_prompts_are_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = training.distillation(linears="float8")
    monkeypatch.setattr(Distillation, "device", torch.device("mps"))
    told = "module.frozen.teacher_linears is 'float8'; on mps allowed: exact"
    with pytest.raises(ValueError, match=told):
        module.on_fit_start()


def test_missing_embeddings_are_refused_before_the_first_step() -> None:
    class Strict(training.Words):
        def prepare(self, prompts: object) -> None:
            raise ValueError(f"text: not encoded: {prompts}")

    module = training.distillation()
    module.frozen.text = Strict()
    with pytest.raises(ValueError, match="text: not encoded"):
        training.fit(module, 1)
