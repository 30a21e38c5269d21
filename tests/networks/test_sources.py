import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from reward_forcing.networks.sources import inspect, read_header, tensors
from reward_forcing.networks.weights import save
from tests import tiny


def test_kinds_are_told_apart_without_tensors(tmp_path: Path) -> None:
    network = tiny.network()
    save(tmp_path / "ours.safetensors", network, {"name": "x"})
    save(tmp_path / "official", network, layout="official")
    save(tmp_path / "pipeline/transformer", network, layout="diffusers")
    (tmp_path / "pipeline/model_index.json").write_text("{}")
    (tmp_path / "some.pt").write_bytes(b"")
    assert [inspect(tmp_path / name).layout for name in ("ours.safetensors", "official", "pipeline", "some.pt")] == [
        "ours", "official", "diffusers", "pickle"
    ]  # fmt: skip
    ours = inspect(tmp_path / "ours.safetensors")
    assert ours.sizes == network.sizes
    assert ours.notes["name"] == "x"
    for name in ("official", "pipeline"):
        sizes = inspect(tmp_path / name).sizes
        assert sizes == {key: network.sizes[key] for key in sizes}
        assert {"dim", "heads", "layers", "channels", "ffn_dim", "text_dim", "freq_dim"} <= set(sizes)


@pytest.mark.parametrize("kept", [3, 300, -1])
def test_a_file_that_is_cut_off(tmp_path: Path, kept: int) -> None:
    save(tmp_path / "official", tiny.network(), layout="official")
    path = tmp_path / "official/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"diffusion_pytorch_model\.safetensors (is cut off|cannot be read)"):
        inspect(tmp_path / "official")


def test_headers_tell_names_and_shapes(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", tiny.network())
    assert read_header(tmp_path / "a.safetensors")["patch_embedding.weight"]["shape"] == [24, 2, 1, 2, 2]


def test_folders_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no config.json; allowed: an export"):
        inspect(tmp_path)
    (tmp_path / "config.json").write_text("no json")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        inspect(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "i2v"}))
    with pytest.raises(ValueError, match="is a i2v model; allowed: t2v"):
        inspect(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="has no .safetensors file"):
        inspect(tmp_path)


def test_a_hub_id_that_is_neither_cached_nor_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="weights: nobody/nothing is neither a file here nor in the hub's cache"):
        inspect("nobody/nothing")


def test_a_hub_id_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    snapshot = tmp_path / "models--lab--wan/snapshots/abc"
    save(snapshot / "transformer", tiny.network(), layout="diffusers")
    (tmp_path / "models--lab--wan/refs").mkdir()
    (tmp_path / "models--lab--wan/refs/main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert inspect("lab/wan:transformer").layout == "diffusers"
    (snapshot / "model_index.json").write_text("{}")
    assert inspect("lab/wan").sizes["dim"] == 24


def shard(folder: Path, files: dict[str, dict[str, Tensor]], index: dict[str, str] | None = None) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"dim": 24, "num_heads": 2}))
    for name, held in files.items():
        save_file(held, folder / name)
    if index is not None:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def number(value: float) -> Tensor:
    return torch.tensor([value])


def test_shards_of_an_index_are_read_and_no_others(tmp_path: Path) -> None:
    files = {"1.safetensors": {"a": number(1)}, "2.safetensors": {"b": number(2)}, "old.safetensors": {"a": number(9)}}
    folder = shard(tmp_path / "x", files, {"b": "2.safetensors", "a": "1.safetensors"})
    found = inspect(folder)
    assert [path.name for path in found.files] == ["1.safetensors", "2.safetensors"]
    assert found.sizes == {"dim": 24, "heads": 2}
    assert {name: value.item() for name, value in tensors(found)} == {"a": 1, "b": 2}
    assert found.bytes == sum(path.stat().st_size for path in found.files)
    (folder / "2.safetensors").unlink()
    with pytest.raises(ValueError, match=r"x lacks 2\.safetensors, which model\.safetensors\.index\.json names"):
        inspect(folder)


def test_shards_without_an_index_are_all_read(tmp_path: Path) -> None:
    folder = shard(tmp_path / "x", {"1.safetensors": {"a": number(1)}, "2.safetensors": {"b": number(2)}})
    assert {name: value.item() for name, value in tensors(inspect(folder))} == {"a": 1, "b": 2}
    assert str(inspect(folder)) == f"{folder}, taken for an official Wan folder"


def test_a_digest_is_of_the_content(tmp_path: Path) -> None:
    for name, value in {"one": 1.0, "same": 1.0, "other": 2.0}.items():
        save_file({"a": number(value)}, tmp_path / f"{name}.safetensors")
    one, same, other = (inspect(tmp_path / f"{name}.safetensors") for name in ("one", "same", "other"))
    assert one.layout == "safetensors"
    assert one.digest == same.digest != other.digest


LARGE = 5_000_000_000


def test_a_digest_of_large_weights_does_not_read_them(tmp_path: Path) -> None:
    digests = set()
    for folder, size in {"one": LARGE, "same": LARGE, "longer": LARGE + 1}.items():
        (tmp_path / folder).mkdir()
        with (tmp_path / folder / "a.pt").open("wb") as file:
            file.truncate(size)
        digests.add(inspect(tmp_path / folder / "a.pt").digest)
    assert len(digests) == 2


def values(path: Path, held: Any, which: str | None = None) -> dict[str, float]:
    torch.save(held, path)
    return {name: value.item() for name, value in tensors(inspect(path), which)}


def test_keys_of_containers(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    held = {"generator": {"w": number(1)}, "critic": {"w": number(3)}, "generator_ema": {"w": number(2)}, "step": 4}
    assert values(path, held) == {"w": 2}
    assert values(path, held, "generator") == {"w": 1}
    assert values(path, {"model": {"w": number(5), "version": "x"}}) == {"w": 5}
    assert values(path, {"w": number(6), "generator": number(7)}) == {"w": 6, "generator": 7}
    with pytest.raises(ValueError, match=r"a\.pt has no 'critics'; it has generator_ema, generator$"):
        values(path, held, "critics")
    with pytest.raises(ValueError, match=r"a\.pt has no 'model'; it has a bare state dict$"):
        values(path, {"w": number(6)}, "model")


def test_networks_of_our_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    state = {"student.w": number(1), "student_ema.w": number(2), "fake_score.w": number(3), "other.w": number(4)}
    held = {"pytorch-lightning_version": "2", "state_dict": state}
    assert values(path, held) == {"w": 2}
    assert values(path, held, "student") == {"w": 1}
    assert values(path, held, "fake_score") == {"w": 3}
    with pytest.raises(ValueError, match=r"has no network 'teacher'; it has student_ema, student, fake_score$"):
        values(path, held, "teacher")
    with pytest.raises(ValueError, match=r"has no network ''; it has none$"):
        values(path, {"pytorch-lightning_version": "2", "state_dict": {}})


def test_pickles_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.pt is no mapping of names to tensors but a list$"):
        values(tmp_path / "a.pt", [number(1)])
    (tmp_path / "b.pt").write_bytes(b"no pickle")
    with pytest.raises(ValueError, match=r"b\.pt cannot be read as a file of tensors \([^\n]+\)$"):
        list(tensors(inspect(tmp_path / "b.pt")))


@pytest.mark.parametrize("source", ["nowhere.safetensors", "lab/nowhere.safetensors", "/a/b/c", "no such/thing", ""])
def test_a_file_that_is_not_there_is_no_hub_id(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not there; allowed: an export" if source else "no source is given"):
        inspect(source)


def test_checkpoints_of_one_size_are_told_apart(tmp_path: Path) -> None:
    """Whatever they are called: a retrained student must not pass for the one before."""
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        save(tmp_path / f"{name}.safetensors", tiny.network(seed=seed))
    digests = [inspect(tmp_path / f"{name}.safetensors").digest for name in "abc"]
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("held", ["[]", "3", '"text"'])
def test_files_of_json_that_hold_no_object(tmp_path: Path, held: str) -> None:
    (tmp_path / "config.json").write_text(held)
    with pytest.raises(ValueError, match=r"config\.json holds a .*; allowed: an object"):
        inspect(tmp_path)


NO_MAPS = [("{}", "has no 'weight_map'"), ("[]", "holds a list"), ("?", "is no JSON")]


@pytest.mark.parametrize(("held", "fault"), NO_MAPS)
def test_indices_that_name_no_files(tmp_path: Path, held: str, fault: str) -> None:
    save(tmp_path, tiny.network(), layout="official")
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text(held)
    with pytest.raises(ValueError, match=rf"index\.json {fault}"):
        inspect(tmp_path)


@pytest.mark.parametrize("held", [b"[]", b'{"x": 3}', b'{"x": {}}'])
def test_headers_that_are_none(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(len(held).to_bytes(8, "little") + held)
    with pytest.raises(ValueError, match=r"a\.safetensors cannot be read as safetensors"):
        inspect(tmp_path / "a.safetensors")


def test_no_source_is_not_the_current_folder() -> None:
    with pytest.raises(ValueError, match="no source is given; allowed: an export"):
        inspect("")


@pytest.mark.parametrize("name", ["video.mp4", "README.md", "weights"])
def test_files_of_other_kinds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=rf"{name} ends in '.*'; allowed: an export .* a \.pt container"):
        inspect(tmp_path / name)
