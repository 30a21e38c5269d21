"""Text encoders, codecs and rewards in a GPU's memory."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.helpers import PARAMETERS, clip_parameters, decoding_bytes, judging_bytes, offload, resident
from reward_forcing.shapes import Geometry

WAN = Geometry(channels=16, height=60, width=104, frames=21, chunk_frames=3)


def group(name: str, *overrides: str) -> Any:
    return plain(compose(["checkpoints=wan", "codec=wan", *overrides]))[name]


def test_an_encoder_in_memory_and_one_that_is_freed() -> None:
    assert resident(group("text", "text=umt5")) == {"umt5.load_umt5": (5_680_910_336, 2 * 5_680_910_336)}
    assert resident(group("text", "text=umt5_cached")) == {}
    assert resident(group("text")) == {}


def test_wider_numbers_take_more() -> None:
    (parameters, size), *_ = resident(group("codec", "codec.dtype=float32")).values()
    assert size == 4 * parameters


def test_a_reward_and_its_codec() -> None:
    found = resident(group("reward", "reward=video_align"))
    assert set(found) == {"video_align", "load_wan_codec"}
    assert resident(group("reward", "reward=none")) == {}


def test_an_offloaded_reward_comes_for_a_while() -> None:
    lying = group("reward", "reward=video_align")
    away = copy.deepcopy(lying)
    offload(away)
    assert set(resident(away)) == {"load_wan_codec"}
    model = PARAMETERS["video_align"] * 2
    assert judging_bytes(away, WAN, 1) == judging_bytes(lying, WAN, 1) + model
    assert judging_bytes(lying, WAN, 1) == decoding_bytes(WAN, 1)


@pytest.mark.parametrize("model", ["ViT-L-14", "ViT-B-32"])
def test_a_clip_is_counted_as_the_architecture_it_is(model: str) -> None:
    """Against the numbers of OpenAI's release: 427,616,513 and 151,277,313."""
    known = {"ViT-L-14": 427_616_513, "ViT-B-32": 151_277_313}[model]
    found = resident(group("reward", "reward=clip", f"reward.model={model}"))
    assert found["ClipScore"] == (known, 4 * known)


def test_a_clip_of_a_file_is_counted_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    sizes = {"embed_dim": 8, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
             "text_cfg": {"context_length": 77, "vocab_size": 100, "width": 8, "heads": 1, "layers": 1}}  # fmt: skip
    (tmp_path / "small-clip.json").write_text(json.dumps(sizes))
    assert 10_000 < clip_parameters(str(tmp_path / "small-clip.json")) < 200_000
    with pytest.raises(ValueError, match="a CLIP is called 'ViT-X', which open_clip does not know"):
        clip_parameters("ViT-X")


def test_offloading_spares_what_cannot_be() -> None:
    node = group("reward", "reward=frame_difference")
    before = copy.deepcopy(node)
    offload(node)
    assert node == before


def test_no_reward_needs_nothing() -> None:
    assert judging_bytes(group("reward", "reward=none"), WAN, 4) == 0
    assert judging_bytes(None, WAN, 4) == 0


def test_decoding_grows_with_batch_and_length() -> None:
    assert decoding_bytes(WAN, 2) == 2 * decoding_bytes(WAN, 1)
    longer = Geometry(channels=16, height=60, width=104, frames=24, chunk_frames=3)
    assert decoding_bytes(longer, 1) - decoding_bytes(WAN, 1) == 12 * 3 * 4 * 480 * 832


def test_the_published_codec_and_flow_are_counted_right() -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        codec = AutoencoderKLWan()
    assert sum(parameter.numel() for parameter in codec.parameters()) == PARAMETERS["load_wan_codec"]
