"""A sink that learns: it trains with the student, is averaged and saved with it, resumes exactly, and is exported."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from reward_forcing.callbacks.weight_ema import WeightEMA
from reward_forcing.composition.configuration import compose
from reward_forcing.exports import sink_of
from reward_forcing.memory.learning import plain_values
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.learned_decay import LearnedDecayEMASink
from reward_forcing.modules.distillation import Distillation
from reward_forcing.networks.weights import read_notes
from reward_forcing.streaming import MemoryWish, load_streamer
from reward_forcing.train import run
from tests import small_runs, tiny, training

HEADS = tiny.SIZES["heads"]
DECAY = 0.7


def module(context_gradient: Literal["detached", "through"] = "detached", window: int | None = 3) -> Distillation:
    """A tiny distillation of clips of six frames whose window holds three."""
    made = training.distillation()
    sink = LearnedDecayEMASink(frames=1, decay=DECAY, speed=20, heads=HEADS)
    memory = MemoryPolicy(sink=sink, window_frames=window, chunk_frames=1)
    how = replace(made.rollout, memory=memory, context_gradient=context_gradient)
    kept = ("student", "fake_score", "frozen", "loss", "scores", "geometry", "student_recipe", "fake_score_recipe")
    return Distillation(rollout=how, fake_score_steps=2, seed=0, **{name: getattr(made, name) for name in kept})


def decays(of: Distillation) -> Tensor:
    sink = of.rollout.memory.sink
    assert isinstance(sink, LearnedDecayEMASink)
    return sink.decays().detach()


@pytest.mark.parametrize("context_gradient", ["detached", "through"])
def test_three_steps_move_every_decay_and_its_average(context_gradient: Literal["detached", "through"]) -> None:
    """Steps 0 and 3 are the student's; the average of the shifts follows them as that of the weights does."""
    trained = module(context_gradient)
    training.fit(trained, 4, WeightEMA(decay=0.5))
    moved = decays(trained)
    assert (moved != DECAY).all()
    assert moved.isfinite().all()
    average, now = trained.sink_ema["shifts"], trained.sink["shifts"]
    assert (average.abs() > 0).all()
    assert not torch.equal(average, now)
    assert not average.requires_grad


def test_what_is_learned_changes_what_is_generated() -> None:
    """The gradient is that of the loss: shifting a decay by hand moves a rollout's outcome as its gradient says."""
    made = module()
    loss = rolled(made)
    loss.backward()
    shifts = made.sink["shifts"]
    assert shifts.grad is not None
    expected, step = float(shifts.grad.sum()), 1e-3
    with torch.no_grad():
        shifts += step
        above = rolled(made)
        shifts -= 2 * step
        below = rolled(made)
    assert (float(above) - float(below)) / (2 * step) == pytest.approx(expected, rel=0.02)


def rolled(made: Distillation) -> Tensor:
    """A loss of two chunks more than the window holds, of which only memory's folds depend on the shifts."""
    double = made.student.double()
    prompt = tiny.prompts().double()
    stream = made.rollout.stream(
        double,
        lambda chunk, step: tiny.latents(frames=1, seed=10 * chunk + step).double(),
        lambda _: prompt,
        chunks=range(4),
        exit_at=0,
    )
    *_, last = stream
    return last.square().sum()


def test_the_fake_scores_turns_keep_nothing_for_gradients() -> None:
    made = module()
    with torch.no_grad():
        clean = rolled(made)
    assert clean.grad_fn is None


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_it_resumes_exactly(tmp_path: Path) -> None:
    straight, half, resumed = module(), module(), module()
    training.fit(straight, 8, WeightEMA(decay=0.8))
    training.fit(half, 4, WeightEMA(decay=0.8)).save_checkpoint(tmp_path / "half.ckpt")
    training.fit(resumed, 8, WeightEMA(decay=0.8), resume=tmp_path / "half.ckpt", first=4)
    assert not torch.equal(decays(half), decays(straight))
    assert torch.equal(decays(resumed), decays(straight))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_other_sinks_add_nothing_to_checkpoints() -> None:
    names = training.distillation().state_dict()
    assert not [name for name in names if "sink" in name]
    assert [name for name in module().state_dict() if "sink" in name] == ["sink.shifts", "sink_ema.shifts"]
    assert sink_of(training.distillation()) == sink_of(object()) == {}


@pytest.mark.parametrize("window", [None, 6])
def test_a_window_that_nothing_leaves_is_refused(window: int | None) -> None:
    with pytest.raises(ValueError, match=rf"memory\.window_frames is {window}; a sink that learns needs frames that"):
        module(window=window)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = module()
    monkeypatch.setattr(made, "_device_mesh", {"data_parallel": None})
    with pytest.raises(ValueError, match=r"sink: it learns, and what it learns is not shared among processes"):
        made.configure_model()


def test_an_export_is_streamed_with_what_was_learned(tmp_path: Path) -> None:
    """Trained, exported and streamed by the commands' own functions; another decay moves all heads from there."""
    overrides = ["sink=learned_decay", "sink.decay=0.8", "geometry.frames=9", "callbacks.student_ema.decay=0.5"]
    config = compose(small_runs.distillation(tmp_path / "run", *overrides, *small_runs.NETWORK))
    export = run(config).folder / "student.safetensors"
    noted = json.loads(read_notes(export)["stream"])["values"]["sink"]
    assert noted["decay"] == 0.8
    assert noted["shifts"] != [0.0]
    streamer = load_streamer(export)
    sink = streamer.rollout.memory.sink
    assert isinstance(sink, LearnedDecayEMASink)
    assert streamer.memory["shifts"] == noted["shifts"]
    assert sink.decays().tolist() == pytest.approx([1 / (1 + 0.25 * math.exp(-50 * noted["shifts"][0]))])
    other = load_streamer(export, wish=MemoryWish(decay=0.9)).rollout.memory.sink
    assert isinstance(other, LearnedDecayEMASink)
    assert (other.decays() > sink.decays()).all()
    assert plain_values(vars(other))["shifts"] == noted["shifts"]
    learned = streamed(streamer)
    assert torch.equal(learned, streamed(load_streamer(export)))
    fixed = load_streamer(export, wish=MemoryWish(sink="ema", decay=sink.decays().tolist()[0]))
    assert isinstance(fixed.rollout.memory.sink, EMASink)
    torch.testing.assert_close(learned, streamed(fixed))


def streamed(streamer: Any) -> Tensor:
    return torch.cat([*streamer.stream(["red circle fast pan-slow"], [0], chunks=4)], 1)
