from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.data.contents import Content, Prompts, clips, pairs, stretch, videos, weights
from reward_forcing.data.order import Order, Pick
from reward_forcing.data.shards import ExistingShards, Shards
from reward_forcing.data.toy import ToyShards
from reward_forcing.data.writing import write_shards
from reward_forcing.videos import to_uint8
from tests.data import folders


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ToyShards:
    made = ToyShards(str(tmp_path_factory.mktemp("toy")), folders.toy_clips())
    made.prepare()
    return made


def picks(*items: int) -> list[Pick]:
    return [Pick(item, ("test", place)) for place, item in enumerate(items)]


def test_clips_are_what_the_shards_hold(source: ToyShards) -> None:
    shards = Shards(source.folder)
    batch = clips(source=source, sprite_gain=2.0).batch(picks(3, 0))
    assert batch["prompts"] == [shards.text(3), shards.text(0)]
    np.testing.assert_array_equal(batch["latents"][1], shards.array(0, "latents.npy"))
    assert batch["latents"].dtype == batch["emphasis"].dtype == torch.float32
    assert batch["emphasis"].shape == (2, 4, 1, 8, 8)
    near = torch.from_numpy(shards.array(3, "emphasis.npy")).float()
    raw = 1 + 2 * near
    torch.testing.assert_close(batch["emphasis"][0], raw / raw.mean())


def test_without_emphasis_every_cell_weighs_one(tmp_path: Path) -> None:
    latents = np.ones((4, 2, 3, 3), np.float16)
    write_shards(tmp_path, lambda _: [{"latents.npy": latents, "caption.txt": "x"}], clips=1, origin={})
    batch = clips(source=ExistingShards(str(tmp_path)), sprite_gain=3.0).batch(picks(0))
    assert (batch["emphasis"] == 1).all()


@given(gain=st.floats(0, 10), seed=st.integers(0, 9))
def test_weights_average_one_and_grow_towards_the_sprite(gain: float, seed: int) -> None:
    near = torch.rand(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    weight = weights(near, gain)
    torch.testing.assert_close(weight.mean((1, 2, 3, 4)), torch.ones(2))
    ratio = weight[0] / weight[0, 0, 0, 0, 0]
    torch.testing.assert_close(ratio, (1 + gain * near[0]) / (1 + gain * near[0, 0, 0, 0, 0]))


def test_stretches_fit_vary_and_belong_to_their_place(source: ToyShards) -> None:
    shards = Shards(source.folder)
    cuts = [stretch(shards, "latents.npy", pick, 2) for pick in picks(*[0] * 40)]
    assert {cut.start for cut in cuts} == {0, 1, 2}
    assert {cut.stop - cut.start for cut in cuts} == {2}
    assert cuts == [stretch(shards, "latents.npy", pick, 2) for pick in picks(*[0] * 40)]


def test_emphasis_is_cut_like_the_latents(source: ToyShards) -> None:
    whole, cut = clips(source=source, sprite_gain=1.0), clips(source=source, sprite_gain=1.0, frames=2)
    full, part = whole.batch(picks(1)), cut.batch(picks(1))
    (first,) = (start for start in range(3) if torch.equal(full["latents"][:, start : start + 2], part["latents"]))
    expected = full["emphasis"][:, first : first + 2]
    torch.testing.assert_close(part["emphasis"], expected / expected.mean())


def test_videos_are_pixels_between_minus_one_and_one(source: ToyShards) -> None:
    batch = videos(source=source, frames=3).batch(picks(2, 4))
    assert batch["video"].shape == (2, 3, 3, 32, 32)
    assert batch["video"].min() >= -1
    assert batch["video"].max() <= 1
    whole = videos(source=source).batch(picks(2))["video"]
    np.testing.assert_array_equal(to_uint8(whole)[0], Shards(source.folder).array(2, "video.npy"))


def test_pairs_are_trajectories_and_prompts(tmp_path: Path) -> None:
    states = np.arange(2 * 3 * 4, dtype=np.float16).reshape(2, 3, 1, 2, 2)
    samples = [{"states.npy": states + 100 * number, "caption.txt": f"p{number}"} for number in range(3)]
    write_shards(tmp_path, lambda numbers: samples[numbers.start : numbers.stop], clips=3, origin={})
    content = pairs(source=ExistingShards(str(tmp_path)))
    content.prepare()
    batch = content.batch(picks(2, 0))
    assert len(content) == 3
    assert batch["prompts"] == ["p2", "p0"]
    assert batch["states"].dtype == torch.float32
    np.testing.assert_array_equal(batch["states"], np.stack([states + 200, states]).astype(np.float32))


def test_prompts_alone() -> None:
    content = Prompts(("a", "b", "c"))
    content.prepare()
    order = Order(items=len(content), batch_size=3, seed=0)
    assert sorted(content.batch(order.picks(0))["prompts"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda source: clips(source=source, frames=0), "content.frames is 0"),
        (lambda source: videos(source=source, frames=-1), "content.frames is -1"),
        (lambda source: clips(source=source, sprite_gain=-0.5), "sprite_gain is -0.5"),
        (lambda _: Prompts(()), "prompts is empty"),
        (lambda source: clips(source=source, frames=9).batch(picks(0)), "frames is 9; the clips of .* have 4"),
        (lambda source: pairs(source=source).batch(picks(0)), "have no states.npy; they have"),
    ],
)
def test_what_cannot_be_is_refused(source: ToyShards, make: Callable[[Any], Content], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(source)
