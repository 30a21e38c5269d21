import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.convert import convert
from reward_forcing.networks.weights import load, read_notes, save
from tests import tiny

SIZES = {"heads": tiny.SIZES["heads"]}


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A container as the released ones: an average and a student."""
    state = {f"model.{name}": tensor for name, tensor in tiny.network().state_dict().items()}
    torch.save({"generator_ema": state, "generator": {n: 2 * t for n, t in state.items()}}, tmp_path / "released.pt")
    return tmp_path / "released.pt"


def test_a_released_container_becomes_a_file_that_streams(released: Path, tmp_path: Path) -> None:
    target = tmp_path / "student.safetensors"
    said = convert(released, target, dtype="float32", sizes=SIZES)
    network = load(target)
    assert f"{sum(p.numel() for p in network.parameters()):,} parameters" in said
    assert "taken for a pickled container" in said
    assert f"next: reward-forcing generate {target}" in said
    notes = read_notes(target)
    assert notes["name"] == "released"
    assert json.loads(notes["stream"])["choices"]["geometry"] == "wan_480p"
    expected = tiny.network().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())


def test_the_student_can_be_asked_for(released: Path, tmp_path: Path) -> None:
    convert(released, tmp_path / "a.safetensors", dtype="float32", which="generator", sizes=SIZES)
    assert torch.equal(load(tmp_path / "a.safetensors").head.head.weight, 2 * tiny.network().head.head.weight)


@pytest.mark.parametrize("layout", ["official", "diffusers"])
def test_folders_are_converted_bit_by_bit(
    released: Path, tmp_path: Path, layout: Literal["official", "diffusers"]
) -> None:
    said = convert(released, tmp_path / "folder", layout=layout, dtype="bfloat16", sizes=SIZES)
    assert "next:" not in said
    back = load(tmp_path / "folder", dtype="bfloat16").state_dict()
    assert all(torch.equal(back[n], t.bfloat16()) for n, t in tiny.network().state_dict().items())


@torch.no_grad()
def test_diffusers_reads_ours_and_we_read_diffusers(tmp_path: Path) -> None:
    from diffusers import WanTransformer3DModel

    network = tiny.network()
    save(tmp_path / "ours.safetensors", network)
    convert(tmp_path / "ours.safetensors", tmp_path / "folder", layout="diffusers", dtype="float32")
    theirs = WanTransformer3DModel.from_pretrained(tmp_path / "folder")
    noisy, sigma, prompt = tiny.normal(2, 4, network.channels, 4, 6), torch.tensor([0.9, 0.3]), tiny.prompts(2)
    expected = theirs(noisy.transpose(1, 2), sigma * 1000, prompt, return_dict=False)[0].transpose(1, 2)
    assert_close(network(noisy, sigma, prompt), expected, atol=1e-4, rtol=1e-4)
    theirs.save_pretrained(tmp_path / "pipeline" / "transformer")
    (tmp_path / "pipeline" / "model_index.json").write_text("{}")
    assert_close(load(tmp_path / "pipeline")(noisy, sigma, prompt), expected, atol=1e-4, rtol=1e-4)


def test_nothing_is_overwritten_and_endings_are_told(released: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is there already; remove it, or write elsewhere"):
        convert(released, released)
    with pytest.raises(ValueError, match=r"its name must end in \.safetensors"):
        convert(released, tmp_path / "folder")
    with pytest.raises(ValueError, match=r"a\.safetensors is to be a folder \(official\); its name must not end in"):
        convert(released, tmp_path / "a.safetensors", layout="official")
    assert not (tmp_path / "a.safetensors").exists()
