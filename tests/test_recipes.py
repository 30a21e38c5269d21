"""The recipes of real size, as they are written; `tests/recipes` builds them whole and has them work."""

from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.composition.places import options
from reward_forcing.plan.networks import networks_of
from tests.small_recipes import LARGE_TEACHER, RECIPES


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = plain(compose([f"experiments={name}"]))
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_networks_are_of_full_size(name: str) -> None:
    config = compose([f"experiments={name}"])
    with torch.device("meta"):
        network = build(config, "networks")
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_418_996_800
    assert build(config, "geometry").tokens_per_frame == 1560


@pytest.mark.parametrize("name", RECIPES)
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
