"""Tag2Text: names of the public file, and every step from a picture to a caption."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.testing import assert_close

from evaluation.networks.frames import IMAGENET, normalised
from evaluation.networks.tag2text import (
    NEVER_TAGS,
    TOGETHER,
    Tag2Text,
    adapted,
    captions,
    chosen_tags,
    load_tag2text,
    squeezed,
)
from tests import tiny
from tests.evaluation.backends.small import TAG2TEXT, small_tag2text, small_words, smooth
from tests.evaluation.networks.filling import digest, filled, noise, on_meta, parameters


def public(network: Tag2Text) -> dict[str, Tensor]:
    """The network as it is published: reductions end stages, shared layers are there twice, and there is more."""
    held = {name.replace("layers.1.downsample", "layers.0.downsample"): t for name, t in network.state_dict().items()}
    return {**held, "visual_encoder.layers.0.blocks.0.attn.relative_position_index": torch.zeros(4),
            "tag_encoder.embeddings.position_ids": torch.arange(512)[None]}  # fmt: skip


def saved(path: Path, held: Mapping[str, Tensor]) -> Path:
    torch.save({"model": dict(held), "epoch": 3}, path)
    return path


def test_names_and_shapes_are_the_published_ones() -> None:
    """The digest is that of a network into which a file of VBench 0.1.5's model was read."""
    network = on_meta(Tag2Text)
    assert digest(network.state_dict()) == "27fee972e795ee9b"
    assert parameters(network) == 410_411_801
    sources = [name for name in network.state_dict() if "downsample" in name]
    assert {name.split(".")[2] for name in sources} == {"1", "2", "3"}


def test_it_loads_what_was_published(tmp_path: Path) -> None:
    network = small_tag2text()
    loaded = load_tag2text(saved(tmp_path / "a.pth", public(network)), **TAG2TEXT)
    frames = smooth(3, 40, 50)[0]
    assert_close(loaded.look(squeezed(frames, 32)), network.look(squeezed(frames, 32)))
    assert [name for name, p in loaded.named_buffers() if p.is_meta] == []


def test_layers_that_are_shared_are_the_heads(tmp_path: Path) -> None:
    loaded = load_tag2text(saved(tmp_path / "a.pth", public(small_tag2text())), **TAG2TEXT)
    first, second = (loaded.tag_encoder.encoder.layer[number] for number in (0, 1))
    head = loaded.vision_multi["encoder"].get_submodule("layer.0")
    for name, parameter in head.named_parameters():
        assert torch.equal(parameter, first.get_parameter(name)), name
    own = small_tag2text().tag_encoder.encoder.layer[1]
    for name, parameter in second.named_parameters():
        assert torch.equal(parameter, own.get_parameter(name)), name


def test_shared_layers_may_be_there_once(tmp_path: Path) -> None:
    held = {name: t for name, t in public(small_tag2text()).items()
            if not name.startswith("tag_encoder.encoder.layer.0.crossattention")}  # fmt: skip
    assert load_tag2text(saved(tmp_path / "a.pth", held), **TAG2TEXT).side == 32


def test_reductions_end_the_stage_before() -> None:
    network = small_tag2text()
    held = public(network)
    found = adapted(network, held)
    assert found.keys() == network.state_dict().keys()
    name = "downsample.reduction.weight"
    assert found[f"visual_encoder.layers.1.{name}"] is held[f"visual_encoder.layers.0.{name}"]


@pytest.mark.parametrize("part", ["fc.W", "label_embed.weight", "text_decoder.cls.predictions.decoder.weight"])
def test_files_that_lack_a_part_are_refused(part: str, tmp_path: Path) -> None:
    held = {name: tensor for name, tensor in public(small_tag2text()).items() if name != part}
    with pytest.raises(ValueError, match=f"tag2text: .* does not fit Tag2Text: 1 missing, first {part}"):
        load_tag2text(saved(tmp_path / "a.pth", held), **TAG2TEXT)


def test_another_size_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", public(small_tag2text()))
    with pytest.raises(ValueError, match="misshaped, first"):
        load_tag2text(path, **{**TAG2TEXT, "tags": 5})


def test_what_is_seen_are_all_places_after_their_mean() -> None:
    network, pixels = small_tag2text(), tiny.normal(2, 3, 32, 32)
    seen = network.look(pixels)
    places = network.visual_encoder.forward_features(pixels).flatten(1, 2)
    assert seen.shape == (2, 17, 16)
    assert_close(seen[:, 0], places.mean(1))
    assert_close(seen[:, 1:], places)


def test_tags_are_asked_one_by_one() -> None:
    network, seen = small_tag2text(), tiny.normal(2, 5, 16)
    logits = network.tags(seen)
    told = network.vision_multi["encoder"](network.label_embed.weight[None, 2:3].expand(2, -1, -1), seen)
    assert_close(logits[:, 2], (told[:, 0] * network.fc.W[0, 2]).sum(1) + network.fc.b[0, 2])


def test_words_that_are_not_there_are_not_told() -> None:
    network, seen = small_tag2text(), tiny.normal(1, 5, 16)
    words = torch.tensor([[20, 9, 3, 0, 0]])
    assert_close(network.tell(words, words != 0, seen)[:, :3], network.tell(words[:, :3], words[:, :3] != 0, seen))


def test_tags_are_those_of_seven_tenths_and_some_never() -> None:
    least = torch.tensor([0.69, 0.7001, 0.99]).logit()
    assert chosen_tags(least[None]).tolist() == [[False, True, True]]
    chosen = chosen_tags(torch.full((2, 3429), 9.0))
    assert (~chosen).nonzero()[:, 1].tolist() == [*NEVER_TAGS] * 2


def test_frames_are_squeezed_whole() -> None:
    frames = noise(2, 3, 48, 80)
    seen = squeezed(frames, 24)
    halves = interpolate(frames.float(), (24, 24), mode="bilinear", antialias=True).round().to(torch.uint8)
    assert_close(seen, normalised(halves, IMAGENET))
    still = torch.full((1, 3, 30, 90), 77, dtype=torch.uint8)
    assert_close(squeezed(still, 12), normalised(still[..., :12, :12], IMAGENET))
    assert_close(squeezed(noise(1, 3, 32, 32), 32), normalised(noise(1, 3, 32, 32), IMAGENET))


def test_pictures_do_not_meet() -> None:
    """Nor do pieces of a video."""
    frames, network, words = smooth(TOGETHER + 2, 40, 56, seed=3)[0], small_tag2text(), small_words()
    together = captions(network, words, frames)
    assert together == [captions(network, words, frame[None])[0] for frame in frames]
    assert len({*captions(network, words, smooth(16, 48, 60, clips=2).flatten(0, 1))}) > 2


def test_a_caption_is_of_its_picture_and_of_its_tags() -> None:
    """Each alone changes what is told, from which the caption is written."""
    network, seen = small_tag2text(), tiny.normal(2, 5, 16)
    words = torch.tensor([[20, 9, 3], [20, 11, 3]])
    there = words != 0
    told = network.tell(words[:1], there[:1], seen[:1])
    assert not torch.allclose(told, network.tell(words[1:], there[1:], seen[:1]))
    assert not torch.allclose(told, network.tell(words[:1], there[:1], seen[1:]))
    texts = torch.tensor([[19, 5, 6, 7]])
    other = network.tell(words[:1], there[:1], seen[1:])
    assert not torch.allclose(network.text_decoder(texts, told), network.text_decoder(texts, other))


def test_every_parameter_matters() -> None:
    network = filled(Tag2Text(**TAG2TEXT), std=0.3).requires_grad_()
    seen = network.look(tiny.normal(1, 3, 32, 32))
    words = torch.arange(21)[None]
    told = network.tell(words, words >= 0, seen)
    loss = network.tags(seen).square().sum() + network.text_decoder(words, told).square().sum()
    loss.backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_nothing_is_random() -> None:
    before, frames = torch.get_rng_state(), smooth(2, 40, 56)[0]
    found: list[Any] = [captions(small_tag2text(), small_words(), frames) for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), before)
