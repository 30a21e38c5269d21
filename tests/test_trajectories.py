from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reward_forcing.data.contents import pairs
from reward_forcing.data.shards import ExistingShards
from reward_forcing.networks.weights import load, read_notes, save
from reward_forcing.streaming import Equipment, load_streamer
from reward_forcing.trajectories import Plan, Usual, _stored, recommended, write_pairs
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


@pytest.mark.parametrize("change", ["prompts", "weights", "settings"])
def test_other_trajectories_do_not_mix(change: str, teacher: Path, tmp_path: Path) -> None:
    """As many prompts, a teacher of the same name: an interrupted run would go on with something else."""
    plan, copied = Plan(steps=4, levels=2), tmp_path / teacher.name
    copied.write_bytes(teacher.read_bytes())
    codec = Equipment(codec=teacher.parent / "codec.safetensors")
    write_pairs(copied, tmp_path / "pairs", PROMPTS[:1], plan, equipment=codec)
    write_pairs(copied, tmp_path / "pairs", PROMPTS[:1], plan, equipment=codec)
    words, how = PROMPTS[:1], codec
    if change == "prompts":
        words = PROMPTS[1:2]
    elif change == "weights":
        save(copied, load(teacher).apply(_shifted), read_notes(teacher))
    else:
        how = replace(codec, dtype="bfloat16")
    with pytest.raises(ValueError, match="holds other data: origin is"):
        write_pairs(copied, tmp_path / "pairs", words, plan, equipment=how)


def _shifted(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters(recurse=False):
            parameter.add_(0.01)


def test_states_beyond_half_precision_are_named() -> None:
    with pytest.raises(ValueError, match="a state of 'a red fox' is not finite in float16; try --dtype float32"):
        _stored(torch.tensor([1.0, 1e6]), "a red fox")
    assert _stored(torch.tensor([1.0]), "x").dtype == torch.float16


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
