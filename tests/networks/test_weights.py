import json
import pickle
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file, save_file

from reward_forcing.networks import weights
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import (
    load,
    load_strictly,
    read_notes,
    save,
    save_tensors,
    sizes_of,
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
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}
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
    with pytest.raises(ValueError, match=r"weights: .*none\.safetensors is not there; allowed: an export"):
        load(tmp_path / "none.safetensors")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("hello, this is text", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        read_notes(tmp_path / "text.safetensors")


def test_a_stranger_s_file(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "strange.safetensors")
    with pytest.raises(ValueError, match="has no tensors of a Wan transformer; its first is weight"):
        load(tmp_path / "strange.safetensors")


def test_weights_that_do_not_fit_are_named() -> None:
    network = tiny.network()
    tensors = dict(network.state_dict())
    tensors["surplus"] = tensors.pop("head.modulation")
    tensors["head.head.bias"] = torch.zeros(3)
    faults = (
        "1 missing, first head.modulation; 1 unexpected, first surplus; 1 misshaped, first head.head.bias .3., not .8."
    )
    with pytest.raises(ValueError, match=f"weights: here, does not fit WanTransformer: {faults}"):
        load_strictly(network, tensors, "here")


LAYOUTS: tuple[Literal["ours", "official", "diffusers"], ...] = ("ours", "official", "diffusers")
HEADS = {"heads": tiny.SIZES["heads"]}


def equal(first: WanTransformer, second: WanTransformer) -> bool:
    states = first.state_dict(), second.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][n], states[1][n]) for n in states[0])


@pytest.mark.parametrize("second", LAYOUTS)
@pytest.mark.parametrize("first", LAYOUTS)
def test_round_trips_are_exact(
    tmp_path: Path, first: Literal["ours", "official", "diffusers"], second: Literal["ours", "official", "diffusers"]
) -> None:
    network = tiny.network(layers=3)
    save(tmp_path / "a.safetensors", network, layout=first)
    between = load(tmp_path / "a.safetensors")
    save(tmp_path / "b.safetensors", between, layout=second)
    assert equal(load(tmp_path / "b.safetensors"), network)


def test_large_folders_are_in_several_files_with_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHARD_BYTES", 9000)
    network = tiny.network()
    save(tmp_path / "wan", network, layout="official")
    index = json.loads((tmp_path / "wan/diffusion_pytorch_model.safetensors.index.json").read_text())
    files = sorted(path.name for path in (tmp_path / "wan").glob("*.safetensors"))
    assert len(files) > 2
    assert sorted(set(index["weight_map"].values())) == files
    assert set(index["weight_map"]) == set(network.state_dict())
    assert equal(load(tmp_path / "wan"), network)
    (tmp_path / "wan" / files[1]).unlink()
    with pytest.raises(ValueError, match=f"lacks {files[1]}, which .*index.json names"):
        load(tmp_path / "wan")


@pytest.mark.parametrize("key", ["generator", "generator_ema", "model", None])
@pytest.mark.parametrize(
    "prefix",
    ["", "model.", "model._fsdp_wrapped_module.", "_orig_mod.model.", "module._orig_mod._checkpoint_wrapped_module."],
)
def test_containers(tmp_path: Path, key: str | None, prefix: str) -> None:
    network = tiny.network()
    state: dict[str, Any] = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    torch.save({key: state, "step": 3} if key else state, tmp_path / "student.pt")
    assert equal(load(tmp_path / "student.pt", sizes=HEADS), network)


def test_wrappers_within_names(tmp_path: Path) -> None:
    network = tiny.network()
    state = {n.replace("blocks.1.", "blocks.1._fsdp_wrapped_module._checkpoint_wrapped_module."): t
             for n, t in network.state_dict().items()}  # fmt: skip
    torch.save(state, tmp_path / "student.pt")
    assert equal(load(tmp_path / "student.pt", sizes=HEADS), network)


def test_the_average_is_preferred_and_others_can_be_asked_for(tmp_path: Path) -> None:
    first, second = tiny.network(seed=1), tiny.network(seed=2)
    torch.save({"generator": first.state_dict(), "generator_ema": second.state_dict()}, tmp_path / "both.pt")
    assert equal(load(tmp_path / "both.pt", sizes=HEADS), second)
    assert equal(load(tmp_path / "both.pt", sizes=HEADS, which="generator"), first)
    with pytest.raises(ValueError, match="has no 'model'; it has generator_ema, generator"):
        load(tmp_path / "both.pt", sizes=HEADS, which="model")


def test_checkpoints_of_runs(tmp_path: Path) -> None:
    student, score = tiny.network(seed=1), tiny.network(seed=2)
    state = {f"{role}.{name}": tensor for role, network in (("student", student), ("fake_score", score))
             for name, tensor in network.state_dict().items()}  # fmt: skip
    torch.save({"pytorch-lightning_version": "2.6", "state_dict": state}, tmp_path / "last.ckpt")
    assert equal(load(tmp_path / "last.ckpt", sizes=HEADS), student)
    assert equal(load(tmp_path / "last.ckpt", sizes=HEADS, which="fake_score"), score)
    with pytest.raises(ValueError, match="has no network 'teacher'; it has student, fake_score"):
        load(tmp_path / "last.ckpt", sizes=HEADS, which="teacher")


def test_sizes_are_read_off_the_tensors() -> None:
    network = tiny.network(dim=256, ffn_dim=40, heads=2, layers=1, patch=1)
    assert sizes_of(network.state_dict()) == network.sizes
    assert sizes_of({"x": torch.zeros(1)}) == {}


def test_tensors_are_not_copied_unless_converted() -> None:
    network = tiny.network()
    given = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_strictly(network, given, "here")
    assert all(given[name].data_ptr() == tensor.data_ptr() for name, tensor in network.state_dict().items())


def test_training_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, tiny.network())
    before, loaded = path.read_bytes(), load(path)
    with torch.no_grad():
        for parameter in loaded.parameters():
            assert parameter.requires_grad
            parameter.fill_(7.0)
    assert path.read_bytes() == before
    assert equal(load(path), tiny.network())


def test_precisions(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", tiny.network())
    assert load(tmp_path / "a.safetensors", dtype="bfloat16").dtype is torch.bfloat16
    assert load(tmp_path / "a.safetensors", norm_dtype="float32").norm_dtype is torch.float32


def test_values_that_overflow_are_named(tmp_path: Path) -> None:
    network = tiny.network()
    with torch.no_grad():
        network.head.head.bias[3] = 1e5
    save(tmp_path / "a.safetensors", network)
    with pytest.raises(ValueError, match=r"head\.head\.bias reaches 1e\+05, beyond float16 \(65504\)"):
        load(tmp_path / "a.safetensors", dtype="float16")
    with pytest.raises(ValueError, match="beyond float16"):
        save(tmp_path / "b.safetensors", network, dtype=torch.float16)


def test_infinite_values_stay_what_they_are(tmp_path: Path) -> None:
    """Only a finite value that becomes infinite is refused, also beside one that was infinite before."""
    network = tiny.network()
    with torch.no_grad():
        network.head.head.bias[0] = float("inf")
    save(tmp_path / "a.safetensors", network)
    assert load(tmp_path / "a.safetensors", dtype="float16").head.head.bias[0].isinf()
    with torch.no_grad():
        network.head.head.bias[1] = -1e5
    save(tmp_path / "b.safetensors", network)
    with pytest.raises(ValueError, match="beyond float16"):
        load(tmp_path / "b.safetensors", dtype="float16")


@pytest.mark.parametrize("name", ["a.safetensors", "wan", "student.pt"])
def test_on_the_meta_device_sources_are_checked_and_nothing_is_read(tmp_path: Path, name: str) -> None:
    save(tmp_path / "a.safetensors", tiny.network())
    save(tmp_path / "wan", tiny.network(), layout="official")
    torch.save(tiny.network().state_dict(), tmp_path / "student.pt")
    real = load(tmp_path / name, sizes=HEADS, dtype="bfloat16")
    with torch.device("meta"):
        network = load(tmp_path / name, sizes=HEADS, dtype="bfloat16", checkpointing=True)
        with pytest.raises(ValueError, match=r"does not fit WanTransformer: .* missing, first blocks\.2\."):
            load(tmp_path / name, sizes={**HEADS, "layers": 3})
    assert network.checkpointing
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    for key, value in real.state_dict().items():
        assert (network.state_dict()[key].shape, network.state_dict()[key].dtype) == (value.shape, value.dtype)


def test_a_model_of_another_size(tmp_path: Path) -> None:
    save(tmp_path / "wan", tiny.network(), layout="official")
    config = json.loads((tmp_path / "wan/config.json").read_text())
    (tmp_path / "wan/config.json").write_text(json.dumps({**config, "num_layers": 3, "ffn_dim": 99}))
    fault = r"missing, first blocks\.2\..*misshaped, first blocks\.0\.ffn\.0\.weight \[32, 24\]"
    with pytest.raises(ValueError, match=f"wan, taken for an official Wan folder, does not fit .*{fault}"):
        load(tmp_path / "wan")


def test_image_to_video_models_are_named(tmp_path: Path) -> None:
    state = {**tiny.network().state_dict(), "blocks.0.cross_attn.k_img.weight": torch.zeros(2)}
    torch.save(state, tmp_path / "i2v.pt")
    with pytest.raises(ValueError, match=r"image-to-video model \(blocks\.0\.cross_attn\.k_img\.weight\)"):
        load(tmp_path / "i2v.pt")


def test_other_pickles_are_never_executed(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Path))
    with pytest.raises(ValueError, match="cannot be read as a file of tensors"):
        load(tmp_path / "bad.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="no mapping of names to tensors but a list"):
        load(tmp_path / "list.pt")


def test_places_fit_no_other_layout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="place_embedding, which the layout 'official' has not; allowed: 'ours'"):
        save(tmp_path / "x", tiny.network(places=4), layout="official")
