"""Steps of distillation measured."""

from dataclasses import replace

import torch

from benchmarks import small
from benchmarks.distillation import RandomText, distil, module_of
from benchmarks.small import SCENE
from reward_forcing.shapes import Geometry

CPU = torch.device("cpu")
GEOMETRY = Geometry(channels=4, height=4, width=4, frames=6, chunk_frames=3)
TINY = replace(SCENE, geometry=GEOMETRY, levels=(1.0, 0.5))


def test_both_turns_are_timed() -> None:
    told = distil(TINY, CPU, steps=3)
    assert told["student_step_seconds"] > 0
    assert told["fake_score_step_seconds"] > 0
    assert told["student_step_peak_gb"] is None, "of a GPU only"


def test_the_module_is_the_recipes() -> None:
    module = module_of(TINY, CPU)
    assert module.student.checkpointing
    assert module.fake_score.checkpointing
    assert not module.frozen.teacher.checkpointing
    assert module.student.sizes == module.fake_score.sizes == module.frozen.teacher.sizes


def test_words_do_not_matter() -> None:
    text = RandomText(torch.randn(1, 3, 5))
    assert text(["a", "b"]).shape == (2, 3, 5)
    assert torch.equal(text(["a"]), text([""]))
    text.prepare(["a"])


def test_ratios_that_should_be_near_one() -> None:
    told = {**small.sinks(1), **small.decoding(1)}
    assert all(0.1 < ratio < 10 for ratio in told.values())
    assert set(told) == {"ema_sink_to_no_sink_seconds", "streamed_to_whole_decoding_seconds"}
