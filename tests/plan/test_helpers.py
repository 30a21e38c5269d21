"""Text encoders, codecs and rewards in a GPU's memory."""

import copy
from typing import Any

import torch

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.helpers import PARAMETERS, decoding_bytes, judging_bytes, offload, resident
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
