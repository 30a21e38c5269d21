import pytest
import torch

from reward_forcing.memory.learning import learned, plain_values, require_folds
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.learned_decay import LearnedDecayEMASink
from reward_forcing.memory.sinks.none import NoSink

LEARNS = LearnedDecayEMASink(frames=3, decay=0.9, speed=1.0, heads=2, shifts=[0.1, 0.2])


@pytest.mark.parametrize("sink", [NoSink(), EMASink(frames=3, decay=0.9)])
def test_most_sinks_learn_nothing(sink: SinkStrategy) -> None:
    assert len(learned(sink)) == 0
    assert learned(sink).state_dict() == {}
    assert plain_values(vars(sink)) == vars(sink)


def test_parameters_are_found_and_stay_the_sinks_own() -> None:
    found = learned(LEARNS)
    assert [*found.state_dict()] == ["shifts"]
    assert found["shifts"] is LEARNS.shifts


def test_loading_weights_changes_the_sink() -> None:
    sink = LearnedDecayEMASink(frames=3, decay=0.9, speed=1.0, heads=2)
    learned(sink).load_state_dict(learned(LEARNS).state_dict())
    assert torch.equal(sink.decays(), LEARNS.decays())


def test_plain_values_make_the_same_sink() -> None:
    told = plain_values(vars(LEARNS))
    assert told["shifts"] == pytest.approx([0.1, 0.2])
    assert torch.equal(LearnedDecayEMASink(**told).decays(), LEARNS.decays())


@pytest.mark.parametrize(("window", "frames", "allowed"), [(9, 10, True), (9, 9, False), (None, 99, False)])
def test_what_learns_must_meet_frames_that_leave(window: int | None, frames: int, allowed: bool) -> None:
    memory = MemoryPolicy(sink=LEARNS, window_frames=window, chunk_frames=3)
    if allowed:
        return require_folds(memory, frames=frames)
    with pytest.raises(ValueError, match=rf"memory\.window_frames is {window}; .* allowed are numbers below {frames}"):
        require_folds(memory, frames=frames)
    return None


def test_what_learns_nothing_need_not_meet_any() -> None:
    require_folds(MemoryPolicy(sink=EMASink(frames=3, decay=0.9), window_frames=9, chunk_frames=3), frames=3)
