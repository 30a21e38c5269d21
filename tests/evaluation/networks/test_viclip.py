from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from evaluation.networks.frames import CLIP, normalised, square
from evaluation.networks.viclip import Block, ViClip, load_viclip, text_features, tokenized, video_feature
from tests import tiny
from tests.evaluation.networks.filling import digest, filled, noise, on_meta, parameters

SMALL: dict[str, Any] = {
    "side": 28, "video_dim": 32, "video_layers": 2, "video_heads": 2, "text_dim": 16, "text_layers": 2,
    "text_heads": 2, "embedding": 24,
}  # fmt: skip
START, END = 49406, 49407
TEXTS = ["a cat runs", "A storm over the sea, in super slow motion"]


@pytest.fixture(scope="module")
def network() -> ViClip:
    return filled(ViClip(**SMALL), std=0.3)


def test_names_and_shapes_are_the_published_ones() -> None:
    """The digest is that of VBench 0.1.5's model, which loads the public file strictly."""
    public = on_meta(ViClip)
    assert parameters(public) == 427_590_145
    assert digest(public.state_dict()) == "b393835f98733907"


def test_golden(network: ViClip) -> None:
    """The reference, with VBench's preprocessing and tokens, gave the same to 1e-7."""
    cosines = text_features(network, TEXTS) @ video_feature(network, noise(20, 3, 48, 83))
    assert cosines.tolist() == pytest.approx([0.0092122, -0.1183199], abs=1e-5)


def test_it_loads_what_was_saved(network: ViClip, tmp_path: Path) -> None:
    torch.save({"model": network.state_dict()}, tmp_path / "viclip.pth")
    loaded = load_viclip(tmp_path / "viclip.pth", **SMALL)
    assert torch.equal(text_features(loaded, TEXTS), text_features(network, TEXTS))


def test_another_network_is_refused(network: ViClip, tmp_path: Path) -> None:
    torch.save({"model": {**network.state_dict(), "text_proj.weight": torch.zeros(1)}}, tmp_path / "viclip.pth")
    with pytest.raises(ValueError, match=r"viclip: .* does not fit ViClip: 1 unexpected, first text_proj.weight"):
        load_viclip(tmp_path / "viclip.pth", **SMALL)


def test_features_have_length_one(network: ViClip) -> None:
    assert_close(text_features(network, TEXTS).norm(dim=-1), torch.ones(2))
    assert_close(video_feature(network, noise(9, 3, 30, 40)).norm(), torch.tensor(1.0))


def test_a_video_is_its_eight_middle_frames(network: ViClip) -> None:
    frames = noise(24, 3, 28, 28)
    eight = frames[1::3]
    assert_close(video_feature(network, frames), video_feature(network, eight))
    pixels = normalised(square(eight, shorter=28, side=28, mode="bicubic"), CLIP)
    feature = network.encode_video(pixels[None])[0]
    assert_close(video_feature(network, frames), feature / feature.norm())


def test_videos_side_by_side_do_not_meet(network: ViClip) -> None:
    pixels = tiny.normal(3, 8, 3, 28, 28)
    alone = torch.cat([network.encode_video(video[None]) for video in pixels])
    assert_close(network.encode_video(pixels), alone, atol=1e-5, rtol=1e-5)


def test_time_has_a_direction(network: ViClip) -> None:
    frames = noise(8, 3, 28, 28)
    forwards, backwards = (video_feature(network, order) for order in (frames, frames.flip(0)))
    assert float(forwards @ backwards) < 0.999


def test_every_parameter_matters() -> None:
    network = filled(ViClip(**SMALL), std=0.3).requires_grad_()
    loss = network.encode_video(tiny.normal(1, 8, 3, 28, 28)).square().sum()
    (loss + network.encode_text(tokenized(TEXTS)).square().sum()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == ["temp"]


def test_words_after_the_end_do_not_matter(network: ViClip) -> None:
    tokens = tokenized(TEXTS)
    end = int(tokens[0].argmax())
    changed = tokens.clone()
    changed[0, end + 1 :] = 7
    assert_close(network.encode_text(changed), network.encode_text(tokens))
    changed[0, 1] = 7
    assert not torch.allclose(network.encode_text(changed)[0], network.encode_text(tokens)[0])


def test_a_block_is_clip_s() -> None:
    """open_clip's layer has the same names; its quick GELU is the same function."""
    from open_clip.transformer import QuickGELU, ResidualAttentionBlock

    theirs, ours, tokens = (
        ResidualAttentionBlock(16, 2, act_layer=QuickGELU),
        filled(Block(16, 2)),
        tiny.normal(2, 5, 16),
    )
    theirs.load_state_dict(ours.state_dict())
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1)
    later = torch.zeros(5, 5).masked_fill(hidden, float("-inf"))
    with torch.no_grad():
        assert_close(ours(tokens, None), theirs.eval()(tokens))
        assert_close(ours(tokens, hidden), theirs.eval()(tokens, attn_mask=later))


def test_tokens_are_those_of_clip() -> None:
    """Numbers from OpenAI's CLIP, whose tokenizer VBench has a copy of."""
    assert tokenized(["a diagram", "Hello,  world!"], 7).tolist() == [
        [START, 320, 22697, END, 0, 0, 0],
        [START, 3306, 267, 1002, 256, END, 0],
    ]


def test_a_long_text_is_cut_and_still_ends() -> None:
    tokens = tokenized(["word " * 60, "word"])
    assert tokens.shape == (2, 32)
    assert tokens[0].tolist() == [START, *[int(tokens[1, 1])] * 30, END]


def test_case_space_and_entities_do_not_matter() -> None:
    plain, odd = tokenized(["tom & jerry's café", "  TOM &amp; Jerry's\n caf\u00e9 "])
    assert torch.equal(plain, odd)


def test_no_frames(network: ViClip) -> None:
    with pytest.raises(ValueError, match="the video has 0 frames"):
        video_feature(network, noise(0, 3, 28, 28))


def test_the_public_sizes_fit_together() -> None:
    public = on_meta(ViClip)
    assert public.encode_video(torch.empty(1, 8, 3, 224, 224, device="meta")).shape == (1, 768)
    assert public.encode_text(torch.zeros(2, 32, dtype=torch.long, device="meta")).shape == (2, 768)


def test_tokens_go_through_by_hand() -> None:
    """With silent layers a feature is the projected, normalised start token of a video, end token of a text."""
    network = filled(ViClip(**SMALL), std=0.3)
    for tower in (network.vision_encoder, network.text_encoder):
        for block in tower.transformer.resblocks:
            for silent in ("attn.out_proj", "mlp.c_proj"):
                block.get_parameter(f"{silent}.weight").zero_()
                block.get_parameter(f"{silent}.bias").zero_()
    video, text, tokens = network.vision_encoder, network.text_encoder, tokenized(TEXTS)
    start = video.ln_post(video.ln_pre(video.class_embedding + video.positional_embedding[0])) @ video.proj
    assert_close(network.encode_video(tiny.normal(1, 8, 3, 28, 28))[0], start)
    end = int((tokens[0] == END).nonzero())
    word = text.token_embedding.weight[END] + text.positional_embedding[end]
    assert_close(network.encode_text(tokens)[0], text.ln_final(word) @ text.text_projection)


def test_it_follows_the_precision_of_its_weights(network: ViClip) -> None:
    pixels = tiny.normal(1, 8, 3, 28, 28)
    double = filled(ViClip(**SMALL), std=0.3).double().encode_video(pixels.double())
    assert double.dtype == torch.float64
    assert_close(network.encode_video(pixels).double(), double, atol=1e-5, rtol=1e-5)


def test_nothing_is_random(network: ViClip) -> None:
    before, frames = torch.get_rng_state(), noise(9, 3, 30, 40)
    assert torch.equal(video_feature(network, frames), video_feature(network, frames))
    assert torch.equal(torch.get_rng_state(), before)
