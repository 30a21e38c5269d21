from pathlib import Path

import pytest
import torch

from reward_forcing.data.contents import pairs
from reward_forcing.data.shards import ExistingShards
from reward_forcing.streaming import load_streamer
from reward_forcing.trajectories import Plan, Usual, recommended, write_pairs
from tests import small_runs, tiny
from tests.test_streaming import notes, write_student

PROMPTS = ["red circle slow pan-fast", "blue cross any plain", "red circle slow pan-fast"]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """An export of an untrained teacher that knows how to be sampled."""
    small_runs.write_exports(tmp_path)
    return write_student(tmp_path / "teacher.safetensors", notes())


def test_stored_states_are_those_of_the_sampler(teacher: Path, tmp_path: Path) -> None:
    said = write_pairs(teacher, tmp_path / "pairs", PROMPTS, Plan(steps=4, levels=2, shift=2.0), seed=5, batch=2)
    assert f"3 trajectories in {tmp_path / 'pairs'}" in said
    content = pairs(source=ExistingShards(str(tmp_path / "pairs")))
    streamer = load_streamer(teacher)
    for index, prompt in enumerate(PROMPTS):
        path = [*streamer.trajectory([prompt], [5 + index], steps=4, guidance_scale=1.5, shift=2.0)]
        expected = torch.stack([path[0], path[2], path[4]], 1)[0]
        stored = torch.from_numpy(content.shards.array(index, "states.npy")).float()
        torch.testing.assert_close(stored, expected, atol=5e-3, rtol=1e-3)
        assert content.shards.text(index) == prompt


def test_equal_prompts_start_from_different_noise(teacher: Path, tmp_path: Path) -> None:
    write_pairs(teacher, tmp_path / "pairs", PROMPTS, Plan(steps=2, levels=1))
    shards = pairs(source=ExistingShards(str(tmp_path / "pairs"))).shards
    first, third = (torch.from_numpy(shards.array(index, "states.npy")) for index in (0, 2))
    assert not torch.equal(first[0], third[0])


def test_levels_are_those_of_the_stored_steps() -> None:
    plan = Plan(steps=4, levels=2, shift=1.0)
    assert plan.kept == (0, 2, 4)
    assert plan.noise_levels == (1.0, 0.5)


@pytest.mark.parametrize(("steps", "levels"), [(10, 4), (4, 0)])
def test_uneven_levels_are_refused(steps: int, levels: int) -> None:
    with pytest.raises(ValueError, match=f"ode-pairs: steps is {steps}"):
        Plan(steps=steps, levels=levels)


def test_what_suits_a_teacher(teacher: Path, tmp_path: Path) -> None:
    assert recommended(teacher) == Usual(guidance_scale=1.5, batch=16)
    torch.save({"model": tiny.network().state_dict()}, tmp_path / "wan.pt")
    assert recommended(tmp_path / "wan.pt") == Usual(guidance_scale=6.0, batch=1), "foreign weights are Wan's"


def test_prompts_are_prepared_with_the_negative_one(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fox"):
        write_pairs(teacher, tmp_path / "pairs", ["a red fox"], Plan(steps=2, levels=1))
    with pytest.raises(ValueError, match="ode-pairs: batch is 0"):
        write_pairs(teacher, tmp_path / "pairs", PROMPTS, batch=0)
    assert not (tmp_path / "pairs").exists(), "refused before anything is written"
