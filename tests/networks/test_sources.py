import json
from pathlib import Path

import pytest

from reward_forcing.networks.sources import inspect, read_header
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
