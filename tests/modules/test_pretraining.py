import pytest
import torch

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.modules.pretraining import Lesson, lesson_at
from tests import tiny, training


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


def test_lessons_follow_each_other_up_to_the_end() -> None:
    first, last = training.LESSONS
    assert [lesson_at(training.LESSONS, progress) for progress in (0.0, 0.49, 0.5, 1.0, 2.0)] == [first] * 2 + [
        last
    ] * 3


def test_a_lesson_cuts_clips_into_all_their_pieces() -> None:
    clips = tiny.normal(2, 7, 3)
    pieces = Lesson(frames=3, shift=1.0).cut(clips)
    assert torch.equal(pieces, torch.stack([clips[0, :3], clips[0, 3:6], clips[1, :3], clips[1, 3:6]]))
    assert torch.equal(Lesson(frames=7, shift=1.0).cut(clips), clips)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"frames": 1, "until": 0.0}, {"frames": 1, "until": 1.1}])
def test_impossible_lessons_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lesson: frames is"):
        Lesson(shift=1.0, **wrong)  # type: ignore[arg-type]
