"""The recipes of real size: whole on the meta device, and at work with small parts in their places."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reward_forcing import train
from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.composition.places import options
from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.networks.weights import load
from reward_forcing.plan.networks import networks_of
from tests import small_runs, tiny

DISTILLATIONS = ("reward_forcing_1_3b", "reward_forcing_1_3b_one_gpu", "self_forcing_1_3b", "long_rollout")
LARGE_TEACHER = ("reward_forcing_1_3b", "self_forcing_1_3b")
STARTS = ("wan_teacher_forcing", "wan_diffusion_forcing", "wan_ode_regression", "wan_consistency")
SMALL_PARTS = ["geometry=toy", "networks=toy", "codec=toy", "text=toy", "checkpoints=shipped", "trainer=default"]


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = plain(compose([f"experiments={name}"]))
    return found


@pytest.mark.parametrize("name", [*DISTILLATIONS, *STARTS])
def test_networks_are_of_full_size(name: str) -> None:
    config = compose([f"experiments={name}"])
    with torch.device("meta"):
        network = build(config, "networks")
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_418_996_800
    assert build(config, "geometry").tokens_per_frame == 1560


@pytest.mark.parametrize("name", [*DISTILLATIONS, *STARTS])
def test_roles_are_of_the_sizes_they_are_called_after(name: str) -> None:
    sizes = {role: network.sizes.parameters for role, network in networks_of(values(name)).items()}
    teacher = 14_288_491_584 if name in LARGE_TEACHER else 1_418_996_800
    assert sizes.pop("teacher", teacher) == teacher
    assert set(sizes.values()) == {1_418_996_800}


def test_the_paper_is_spelt_out() -> None:
    found = values("reward_forcing_1_3b")
    module, trainer = found["module"], found["trainer"]
    assert (trainer["devices"] * trainer["num_nodes"], found["data"]["batch_size"], trainer["max_steps"]) == (
        64,
        64,
        600,
    )
    assert [module[f"{role}_recipe"]["optimizer"]["lr"] for role in ("student", "fake_score")] == [2e-6, 4e-7]
    assert module["frozen"]["teacher"]["source"].endswith("Wan2.1-T2V-14B")
    assert module["fake_score"]["source"].endswith("Wan2.1-T2V-1.3B")
    assert module["rollout"]["levels"] == pytest.approx([1, 0.9375, 0.8333, 0.625], abs=1e-4)
    assert (found["sink"]["decay"], found["loss"]["beta"], module["scores"]["guidance_scale"]) == (0.99, 2.0, 4.0)
    assert (found["callbacks"]["student_ema"]["decay"], found["callbacks"]["student_ema"]["start_step"]) == (0.99, 200)


def test_the_baseline_differs_in_sink_reward_and_loss_only() -> None:
    ours, theirs = values("reward_forcing_1_3b"), values("self_forcing_1_3b")
    for key in ("student_recipe", "fake_score_recipe", "scores", "geometry", "student", "fake_score"):
        assert ours["module"][key] == theirs["module"][key]
    assert theirs["memory"]["window_frames"] is None


@pytest.mark.parametrize("name", options("trainer"))
def test_masters_are_fp32(name: str) -> None:
    assert plain(compose([f"trainer={name}"]))["trainer"]["precision"] in ("32-true", "bf16-mixed")


def write_trajectories(folder: Path) -> Path:
    """Eight trajectories of five states, as `reward-forcing data ode-pairs` writes them."""
    states = tiny.normal(8, 5, 6, 6, 8, 8).half().numpy()

    def samples(numbers: range) -> Iterator[Sample]:
        yield from ({"states.npy": states[number], "caption.txt": "red circle any plain"} for number in numbers)

    write_shards(folder, samples, clips=8, origin={"kind": "test"})
    return folder


def small(name: str, folder: Path) -> list[str]:
    """Overrides that leave of a recipe what does not depend on size."""
    chosen = [f"experiments={name}", *SMALL_PARTS]
    sources = small_runs.write_exports(folder / "exports")
    teacher, student = (sources[index].partition("=")[2] for index in (1, 2))
    if name in DISTILLATIONS:
        chosen += [f"module.frozen.teacher.source={teacher}", f"module.student.source={student}"]
        chosen += ["module.student_recipe.micro_batches=2", "module.fake_score_recipe.micro_batches=2"]
        chosen += ["data=toy_prompts", "~data.content.prompts.path", "reward=none"]
        chosen += ["~reward.offload"] if name == "reward_forcing_1_3b_one_gpu" else []
    elif name == "wan_ode_regression":
        chosen += [f"data.content.source.path={write_trajectories(folder / 'pairs')}"]
    else:
        chosen += [
            "data=toy_clips",
            "~data.content.source.path",
            *small_runs.CLIPS,
            f"data.content.source.root={folder}/data",
        ]
    window = "null" if name == "self_forcing_1_3b" else "6"
    fewer = [given for given in small_runs.SMALL if "window_frames" not in given]
    return [*chosen, *fewer, f"memory.window_frames={window}", *sources, f"run_dir={folder}/run", "trainer.max_steps=2"]


@pytest.mark.parametrize("name", [*DISTILLATIONS, *STARTS])
def test_recipes_train_small_networks(name: str, tmp_path: Path) -> None:
    more = ["module.rollout_chunks=[2,4]", "module.student.lora.rank=2"] if name == "long_rollout" else []
    (job,) = train.plan([*small(name, tmp_path), *more])
    outcome = train.run(job.config)
    assert (outcome.state, outcome.steps) == ("finished", 2)
    (export,) = (tmp_path / "run").glob("*student.safetensors")
    assert load(export).sizes["dim"] == small_runs.SIZES["dim"]
