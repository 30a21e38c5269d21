"""Every recipe is built whole with networks of the published sizes, on the meta device, from files with holes."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn

from reward_forcing.composition import validation
from reward_forcing.composition.configuration import build, compose
from reward_forcing.modules.distillation import Distillation
from reward_forcing.plan.networks import PUBLISHED
from reward_forcing.study.planning import studies
from tests import real_folders
from tests.rewards.video_reward_folder import fabricate
from tests.small_recipes import DISTILLATIONS, LARGE_TEACHER, RECIPES, STARTS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SMALL, LARGE = 1_418_996_800, 14_288_491_584


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers in official folders, students in a container and an export; a small judge and its small codec."""
    from diffusers import AutoencoderKLWan

    made = tmp_path_factory.mktemp("wan")
    for size in ("1.3B", "14B"):
        real_folders.write_official(made / f"Wan2.1-T2V-{size}", **asdict(PUBLISHED[size]))
    real_folders.write_container(made / "ode_init.pt", **asdict(PUBLISHED["1.3B"]))
    real_folders.write_export(made / "student.safetensors", **asdict(PUBLISHED["1.3B"]))
    AutoencoderKLWan(base_dim=4, dim_mult=[1, 1, 2, 2], num_res_blocks=1).save_pretrained(made / "vae")
    fabricate(made / "VideoReward")
    return made


def built(name: str, folder: Path, *overrides: str) -> LightningModule:
    """A recipe's module as it is written; only the folder of its files is another."""
    where = [f"checkpoints.folder={folder}", f"codec.path={folder}/vae", *overrides]
    if name == "long_rollout":
        where.append(f"module.student.source={folder}/student.safetensors")
    config = compose([f"experiments={name}", *where])
    validation.validate(config)
    validation.require_files(config)
    with torch.device("meta"):
        module: LightningModule = build(config, "module")
    return module


def size(network: nn.Module, *, learning: bool | None = None) -> int:
    """Parameters, none of which has memory; all, or those that learn or do not."""
    parameters = list(network.parameters())
    assert {parameter.device.type for parameter in parameters} == {"meta"}
    return sum(p.numel() for p in parameters if learning is None or p.requires_grad == learning)


def dtypes(network: nn.Module) -> set[torch.dtype]:
    return {parameter.dtype for parameter in network.parameters()}


@pytest.mark.parametrize("name", DISTILLATIONS)
def test_distillations_are_built_whole(name: str, folder: Path) -> None:
    module = built(name, folder)
    assert isinstance(module, Distillation)
    teacher = module.frozen.teacher
    assert size(teacher) == (LARGE if name in LARGE_TEACHER else SMALL)
    assert size(teacher, learning=True) == size(module.student_ema, learning=True) == 0
    assert size(module.fake_score, learning=True) == SMALL
    assert size(module.student) == size(module.student_ema)
    assert size(module.student, learning=False) == (SMALL if name == "long_rollout" else 0)
    assert module.student.checkpointing
    assert module.fake_score.checkpointing
    assert (dtypes(teacher), dtypes(module.student), dtypes(module.fake_score)) == (
        {torch.bfloat16},
        {torch.float32},
        {torch.float32},
    )
    held = [sum(p.numel() for group in o.param_groups for p in group["params"]) for o in module.configure_optimizers()]
    assert held == [size(module.student, learning=True), SMALL]


@pytest.mark.parametrize("name", STARTS)
def test_causal_starts_are_built_whole(name: str, folder: Path) -> None:
    module = built(name, folder)
    student, average, objective = (getattr(module, part) for part in ("student", "student_ema", "objective"))
    assert size(student, learning=True) == size(average) == SMALL
    assert size(average, learning=True) == 0
    assert student.checkpointing
    if name == "wan_consistency":
        assert (size(objective.teacher), size(objective.teacher, learning=True)) == (SMALL, 0)
        assert dtypes(objective.teacher) == {torch.bfloat16}


def test_all_recipes_are_here() -> None:
    """Those of the toy world and the studies start from other files."""
    names = {path.stem for path in (Path(__file__).parents[2] / "experiments").glob("*.yaml")}
    assert {name for name in names if name not in RECIPES and not name.startswith("toy_")} == set(studies())


@pytest.fixture
def first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a trainer, the first step is in progress."""
    monkeypatch.setattr(Distillation, "global_step", 0)


@pytest.mark.usefixtures("first_step")
def test_shapes_of_the_paper_s_student_turn_fit(folder: Path) -> None:
    """Two chunks at 480 x 832 through rollout, 14B teacher, fake score and loss, and back; nothing is computed."""
    module = built("reward_forcing_1_3b", folder, "reward=none", "geometry.frames=6")
    assert isinstance(module, Distillation)

    def words(prompts: list[str]) -> Tensor:
        return torch.zeros(len(prompts), 512, 4096, device="meta")

    module.frozen.text = words  # type: ignore[assignment]
    report = module._student_loss({"prompts": ["a red fox runs through fresh snow"]}, (0, 0, 0), [])
    report["loss"].backward()
    for name, parameter in module.student.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape
    assert all(
        parameter.grad is None for parameter in [*module.fake_score.parameters(), *module.frozen.teacher.parameters()]
    )
