"""Which networks a config trains with."""

from pathlib import Path
from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.engine.quantised import write_in_place
from reward_forcing.modules.lora import LoRA, adapt
from reward_forcing.networks.weights import save
from reward_forcing.plan.costs import Sizes
from reward_forcing.plan.networks import PUBLISHED, lora_parameters, networks_of, sizes_of
from tests import tiny

TINY = Sizes(**tiny.SIZES)


def test_the_published_sizes_are_the_configs() -> None:
    for option, name in (("wan_1_3b", "1.3B"), ("wan_14b", "14B")):
        values = plain(compose([f"networks={option}", "geometry=wan_480p"]))
        assert sizes_of(values["networks"], {}) == PUBLISHED[name]


def test_a_source_tells_its_sizes(tmp_path: Path) -> None:
    save(tmp_path / "Wan2.1-T2V-14B.safetensors", tiny.network())
    node = {"source": str(tmp_path / "Wan2.1-T2V-14B.safetensors")}
    assert sizes_of(node, vars(PUBLISHED["1.3B"])) == TINY


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("checkpoints/wan/Wan2.1-T2V-14B", "14B"),
        ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "1.3B"),
        ("runs/11.3B/x.pt", None),
        ("ode_init.pt", None),
    ],
)
def test_a_source_that_is_not_there_is_known_by_its_name(source: str, name: str | None) -> None:
    assert sizes_of({"source": source}, tiny.SIZES) == (PUBLISHED[name] if name else TINY)


def test_sizes_of_the_node_come_first() -> None:
    node = {"source": "Wan2.1-T2V-1.3B", "sizes": {"layers": 2}}
    assert sizes_of(node, {}).layers == 2
    assert sizes_of(node, {}).dim == 1536


def test_a_damaged_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"short")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        sizes_of({"source": str(tmp_path / "cut.safetensors")}, tiny.SIZES)


@pytest.mark.parametrize(("said", "share"), [(None, 0), (False, 0), (True, 1), (0.5, 0.5), (0.33, 0.3), (0.99, 1)])
def test_a_share_is_of_whole_blocks(said: float | None, share: float) -> None:
    node = {**tiny.SIZES, "layers": 10, "checkpointing": said}
    assert networks_of({"module": {"student": node}})["student"].checkpointing == share


def test_the_networks_of_distillation() -> None:
    found = networks_of(plain(compose(["experiments=reward_forcing_1_3b"])))
    assert list(found) == ["student", "fake_score", "teacher"]
    assert [network.averaged for network in found.values()] == [True, False, False]
    assert [network.checkpointing for network in found.values()] == [True, True, False]
    assert found["teacher"].learning == 0
    assert found["teacher"].weights == 2 * 14_288_491_584
    assert found["student"].weights == 4 * found["student"].learning == 4 * 1_418_996_800


@pytest.mark.parametrize("name", ["int8", "float8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_teacher_in_eight_bits_is_counted(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    """As many bytes as its tensors have."""
    source = tmp_path / "teacher.safetensors"
    save(source, tiny.network())
    network = tiny.network().to(dtype)
    write_in_place(network, name)
    node = {"source": str(source), "dtype": str(dtype).removeprefix("torch.")}
    values = plain(compose([f"module.frozen.teacher_linears={name}"]))
    values["module"]["frozen"]["teacher"] = node
    found = networks_of(values)
    assert found["teacher"].weights == sum(tensor.nbytes for tensor in network.state_dict().values())
    assert [key for key, one in found.items() if one.eight_bits] == ["teacher"]


@pytest.mark.parametrize(
    ("overrides", "roles"),
    [
        (["module=pretraining"], ["teacher"]),
        (["module=causal_init"], ["student"]),
        (["module=causal_init", "objective=consistency"], ["student", "teacher"]),
        (["module=codec_training"], []),
    ],
)
def test_the_networks_of_other_modules(overrides: list[str], roles: list[str]) -> None:
    assert list(networks_of(plain(compose(overrides)))) == roles


def test_a_teacher_that_learns_is_averaged() -> None:
    network = networks_of(plain(compose(["module=pretraining"])))["teacher"]
    assert network.averaged
    assert network.learning == network.sizes.parameters


@pytest.mark.parametrize("targets", [["q"], ["k", "o"], ["ffn.0"], ["q", "k", "v", "o", "ffn.0", "ffn.2"]])
def test_adapters_are_counted(targets: list[str]) -> None:
    pytest.importorskip("peft")
    network = tiny.network()
    adapt(network, LoRA(rank=3, alpha=1.0, targets=targets))
    learning = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    lora: dict[str, Any] = {"rank": 3, "targets": targets}
    assert lora_parameters(TINY, lora) == learning


def test_a_node_with_adapters_learns_in_them_alone() -> None:
    student = networks_of(plain(compose(["experiments=long_rollout"])))["student"]
    assert 0 < student.learning < student.sizes.parameters / 10
    assert student.weights == 4 * student.sizes.parameters


def test_counting_needs_no_memory() -> None:
    assert not torch.cuda.is_initialized()
