from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reward_forcing.codecs.wan_vae import WanCodec
from reward_forcing.codecs.wan_vae_weights import load_wan_codec, to_diffusers
from tests import tiny
from tests.codecs.test_wan_vae import small_codec

FIRST = [
    ("encoder.conv1.weight", "encoder.conv_in.weight"),
    ("encoder.downsamples.0.residual.0.gamma", "encoder.down_blocks.0.norm1.gamma"),
    ("encoder.downsamples.3.shortcut.bias", "encoder.down_blocks.3.conv_shortcut.bias"),
    ("encoder.downsamples.5.time_conv.weight", "encoder.down_blocks.5.time_conv.weight"),
    ("encoder.downsamples.2.resample.1.weight", "encoder.down_blocks.2.resample.1.weight"),
    ("encoder.middle.1.to_qkv.weight", "encoder.mid_block.attentions.0.to_qkv.weight"),
    ("decoder.middle.0.residual.2.bias", "decoder.mid_block.resnets.0.conv1.bias"),
    ("decoder.upsamples.3.resample.1.bias", "decoder.up_blocks.0.upsamplers.0.resample.1.bias"),
    ("decoder.upsamples.14.residual.6.weight", "decoder.up_blocks.3.resnets.2.conv2.weight"),
    ("decoder.head.0.gamma", "decoder.norm_out.gamma"),
    ("decoder.head.2.weight", "decoder.conv_out.weight"),
    ("conv1.weight", "quant_conv.weight"),
    ("conv2.bias", "post_quant_conv.bias"),
]


def official_names() -> list[str]:
    """Those of the published file, spelled out."""
    residual = ["residual.0.gamma", "residual.2.weight", "residual.2.bias", "residual.3.gamma", "residual.6.weight",
                "residual.6.bias"]  # fmt: skip
    attention = ["norm.gamma", "to_qkv.weight", "to_qkv.bias", "proj.weight", "proj.bias"]
    both = ["weight", "bias"]
    names = [f"{conv}.{kind}" for conv in ("conv1", "conv2") for kind in both]
    for part, rows in (("encoder", "downsamples"), ("decoder", "upsamples")):
        names += [f"{part}.{place}.{kind}" for place in ("conv1", "head.2") for kind in both] + [f"{part}.head.0.gamma"]
        names += [f"{part}.middle.{place}.{name}" for place in (0, 2) for name in residual]
        names += [f"{part}.middle.1.{name}" for name in attention]
        enlarging = {2: False, 5: True, 8: True} if part == "encoder" else {3: True, 7: True, 11: False}
        shortcuts = {3, 6} if part == "encoder" else {4}
        for place in range(11 if part == "encoder" else 15):
            inside = [*residual, *(["shortcut.weight", "shortcut.bias"] if place in shortcuts else [])]
            if place in enlarging:
                timed = ["time_conv.weight", "time_conv.bias"] if enlarging[place] else []
                inside = ["resample.1.weight", "resample.1.bias", *timed]
            names += [f"{part}.{rows}.{place}.{name}" for name in inside]
    return names


def official(codec: WanCodec) -> dict[str, Tensor]:
    state = codec.vae.state_dict()
    return {name: state[to_diffusers(name)].clone() for name in official_names()}


@pytest.mark.parametrize(("name", "expected"), FIRST)
def test_known_pairs(name: str, expected: str) -> None:
    assert to_diffusers(name) == expected


def test_official_names_cover_the_autoencoder_once() -> None:
    translated = [to_diffusers(name) for name in official_names()]
    assert len(set(translated)) == len(translated)
    assert set(translated) == set(small_codec().vae.state_dict())


def test_the_real_size_is_the_published_one() -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae = AutoencoderKLWan()
    assert sum(parameter.numel() for parameter in vae.parameters()) == 126_892_531
    assert len(official_names()) == 194


def test_all_kinds_of_files_give_the_same_codec(tmp_path: Path) -> None:
    codec = small_codec()
    torch.save(official(codec), tmp_path / "Wan2.1_VAE.pth")
    save_file(dict(codec.vae.state_dict()), tmp_path / "vae.safetensors")
    codec.vae.save_pretrained(tmp_path / "pipeline/vae")
    clean = tiny.normal(1, 2, 16, 2, 2)
    for name in ("Wan2.1_VAE.pth", "vae.safetensors", "pipeline", "pipeline/vae"):
        loaded = load_wan_codec(tmp_path / name)
        assert torch.equal(loaded.decode(clean), codec.decode(clean)), name
        assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert next(load_wan_codec(tmp_path / "pipeline", dtype="bfloat16").parameters()).dtype is torch.bfloat16


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    state = official(small_codec())
    state["decoder.surplus.weight"] = state.pop("decoder.head.2.bias")
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth does not fit AutoencoderKLWan: 1 missing, first decoder\.conv_out"):
        load_wan_codec(tmp_path / "bad.pth")


def test_a_folder_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """Diffusers would fill what is missing with random numbers."""
    small_codec().vae.save_pretrained(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    state = load_file(file)
    state["surplus.weight"] = state.pop("decoder.conv_out.bias")
    save_file(state, file)
    with pytest.raises(ValueError, match=r"1 missing, first decoder\.conv_out\.bias; 1 unexpected, first surplus"):
        load_wan_codec(tmp_path)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="cannot be read as AutoencoderKLWan"):
        load_wan_codec(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("none.pth", "is not there; allowed: Wan2.1_VAE.pth"), (".", "has no config.json")]
)
def test_nothing_there(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_wan_codec(tmp_path / name)


def test_damaged_files(tmp_path: Path) -> None:
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match="cannot be read as a file of tensors"):
            load_wan_codec(tmp_path / name)
