import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_pieces_put_together_are_the_clips(clips: int, length: int, frames: int) -> None:
    whole = torch.arange(clips * length * 2.0).view(clips, length, 2)
    pieces = Lesson(frames=frames, shift=1.0).cut(whole)
    kept = length // frames * frames
    assert pieces.shape == (clips * (length // frames), frames, 2)
    assert torch.equal(pieces.reshape(clips, kept, 2), whole[:, :kept])


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5).map(sorted), st.floats(0, 2))
def test_a_lesson_is_the_first_that_has_not_ended(ends: list[float], progress: float) -> None:
    lessons = [Lesson(frames=i + 1, shift=1.0, until=end) for i, end in enumerate(ends)]
    over = sum(end <= progress for end in ends)
    assert lesson_at(lessons, progress) is lessons[min(over, len(lessons) - 1)]


def test_the_loss_is_a_function_of_batch_and_key() -> None:
    module = training.pretraining()
    batch = next(iter(training.StepLoader(4)))
    first, again, other = (module._loss(batch, key)["loss"] for key in ((0, 0, 0), (0, 0, 0), (1, 0, 0)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, training.pretraining(seed=1)._loss(batch, (0, 0, 0))["loss"])


def test_prompts_matter_where_they_are_kept() -> None:
    module = training.pretraining()
    module.prompt_dropout = 0.0
    torch.manual_seed(0)
    for parameter in module.teacher.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    batch = next(iter(training.StepLoader(4)))
    losses = [module._loss({**batch, "prompts": [word] * 4}, (0, 0, 0))["loss"] for word in ("red", "small")]
    assert not torch.equal(*losses)


def test_only_the_teacher_is_learnt_and_its_average_is_apart() -> None:
    module = training.pretraining()
    module._loss(next(iter(training.StepLoader(2))), (0, 0, 0))["loss"].backward()
    assert any(p.grad is not None and p.grad.any() for p in module.teacher.parameters())
    assert all(p.grad is None and not p.requires_grad for p in module.teacher_ema.parameters())
    (name, average, network), *others = module.averaged()
    assert (name, average, network, others) == ("teacher", module.teacher_ema, module.teacher, [])
    for one, other in zip(average.parameters(), network.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
