from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reward_forcing.networks.weights import (
    SIZES,
    load,
    load_strictly,
    load_tensors,
    read_notes,
    save,
    save_tensors,
)
from tests import tiny


def test_a_network_comes_back_with_sizes_weights_and_notes(tmp_path: Path) -> None:
    network, path = tiny.network(layers=3), tmp_path / "deep/er/student.safetensors"
    save(path, network, {"command": "train", "seed": "7"})
    loaded = load(path)
    assert loaded.sizes == network.sizes
    assert all(torch.equal(weight, loaded.state_dict()[name]) for name, weight in network.state_dict().items())
    notes = read_notes(path)
    assert notes["command"] == "train"
    assert notes["seed"] == "7"


def test_half_precision_files_load_as_fp32(tmp_path: Path) -> None:
    network, path = tiny.network(), tmp_path / "half.safetensors"
    save(path, network, dtype=torch.float16)
    assert {tensor.dtype for tensor in load_tensors(path)[0].values()} == {torch.float16}
    loaded = load(path)
    for name, weight in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float())


def test_checkpointing_is_no_property_of_a_file(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", tiny.network(checkpointing=True))
    assert not load(tmp_path / "a.safetensors").checkpointing
    assert load(tmp_path / "a.safetensors", checkpointing=True).checkpointing


def test_nothing_else_is_left_beside_a_file(tmp_path: Path) -> None:
    for _ in range(2):
        save_tensors(tmp_path / "a.safetensors", {"x": torch.zeros(2).expand(3, 2)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"weights: .*none\.safetensors is not a file"):
        load(tmp_path / "none.safetensors")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("hello, this is text", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        read_notes(tmp_path / "text.safetensors")


def test_a_stranger_s_file(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "strange.safetensors")
    with pytest.raises(ValueError, match=f"has no '{SIZES}' entry in its metadata"):
        load(tmp_path / "strange.safetensors")


def test_weights_that_do_not_fit_are_named() -> None:
    network = tiny.network()
    tensors = dict(network.state_dict())
    tensors["surplus"] = tensors.pop("head.modulation")
    tensors["head.head.bias"] = torch.zeros(3)
    faults = "1 missing, first head.modulation; 1 unexpected, first surplus; 1 misshaped, first head.head.bias"
    with pytest.raises(ValueError, match=f"weights: here does not fit WanTransformer: {faults}"):
        load_strictly(network, tensors, "here")
