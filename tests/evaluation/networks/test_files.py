from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from evaluation.networks.files import load_network, unwrapped
from tests.evaluation.networks.filling import filled


def small() -> nn.Linear:
    return nn.Linear(3, 2)


def saved(path: Path, held: Any) -> Path:
    torch.save(held, path)
    return path


def state(seed: int = 0) -> dict[str, Tensor]:
    return dict(filled(small(), seed=seed).state_dict())


def load(path: Path, **more: Any) -> nn.Linear:
    network: nn.Linear = load_network(small, path, "room", **more)
    return network


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s, "epoch": 3}])
def test_what_was_saved_comes_back_frozen(wrap: Any, tmp_path: Path) -> None:
    network = load(saved(tmp_path / "a.pth", wrap(state())), inside=("state_dict", "model"))
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state().items())
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_files_of_old_torch_will_do(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(load(tmp_path / "a.pth").weight, state()["weight"])


def test_the_prefix_of_data_parallel_training_goes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {f"module.{name}": tensor for name, tensor in state().items()})
    assert torch.equal(load(path).weight, state()["weight"])


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    network = load(saved(tmp_path / "a.pth", {name: tensor.half() for name, tensor in state().items()}))
    assert network.weight.dtype == torch.float32
    assert torch.equal(network.weight, state()["weight"].half().float())


def test_safetensors_will_do(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "a.safetensors")
    assert torch.equal(load(tmp_path / "a.safetensors").bias, state()["bias"])


def test_defaults_fill_only_what_the_file_lacks(tmp_path: Path) -> None:
    whole, part = saved(tmp_path / "a.pth", state()), saved(tmp_path / "b.pth", {"weight": state()["weight"]})

    def ones(network: nn.Linear) -> dict[str, Tensor]:
        assert network.weight.is_meta
        return {"bias": torch.ones(network.out_features)}

    assert torch.equal(load(whole, defaults=ones).bias, state()["bias"])
    assert load(part, defaults=ones).bias.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "room: .*a.pth does not fit Linear: 1 missing, first bias"),
        ({"more": torch.zeros(1)}, "does not fit Linear: 1 unexpected, first more"),
        ({"weight": torch.zeros(2, 4)}, r"1 misshaped, first weight \[2, 4\], not \[2, 3\]"),
    ],
)
def test_the_first_misfit_is_named(change: dict[str, Tensor | None], message: str, tmp_path: Path) -> None:
    held = {name: tensor for name, tensor in {**state(), **change}.items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path / "a.pth", held))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="room: .*none.pth is not there; allowed: the file of the public checkpoint"):
        load(tmp_path / "none.pth")


def test_no_file_of_tensors(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_text("<html>")
    with pytest.raises(ValueError, match="room: .*a.pth cannot be read as a file of tensors"):
        load(tmp_path / "a.pth")


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as a file of tensors"):
        load(saved(tmp_path / "a.pth", {"weight": Trap()}))
    assert not Trap.sprung


class Trap:
    """Sets a flag when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return spring, ()


def spring() -> None:
    Trap.sprung = True


def test_a_container_that_is_not_there_is_none() -> None:
    assert unwrapped({"model": torch.zeros(1)}, ["model"]).keys() == {"model"}


def test_names_may_be_others_and_more(tmp_path: Path) -> None:
    held = {f"old.{name}": tensor for name, tensor in state().items()} | {"more": torch.zeros(1)}

    def adapt(network: nn.Module, held: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: held[f"old.{name}"] for name in network.state_dict() if f"old.{name}" in held}

    network = load(saved(tmp_path / "a.pth", {"model": held}), inside=("model",), adapt=adapt)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in state().items())
    with pytest.raises(ValueError, match="room: .* does not fit Linear: 1 missing, first bias"):
        load(saved(tmp_path / "b.pth", {"old.weight": torch.zeros(2, 3)}), adapt=adapt)
