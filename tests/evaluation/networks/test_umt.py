import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from evaluation.networks.frames import IMAGENET, normalised, square
from evaluation.networks.umt import (
    Attention,
    Block,
    Umt,
    action_probabilities,
    load_umt,
    read_actions,
    recognised,
    sine_places,
)
from tests import tiny
from tests.evaluation.networks.filling import digest, filled, noise, on_meta, parameters

SMALL: dict[str, Any] = {"side": 32, "frames": 4, "dim": 16, "layers": 2, "heads": 2, "actions": 6}


@pytest.fixture(scope="module")
def network() -> Umt:
    return filled(Umt(**SMALL), std=0.2)


def test_names_and_shapes_are_the_published_ones() -> None:
    """The digest is that of VBench 0.1.5's model; the table of places has 3 211 264 numbers of these."""
    public = on_meta(Umt)
    assert parameters(public) == 306_695_568
    assert public.pos_embed.numel() == 3_211_264
    assert digest(public.state_dict()) == "02b2b748ff73a737"


def test_golden() -> None:
    """The reference gave the same to 1e-7."""
    network = filled(Umt(dim=32, layers=2, heads=2, actions=5), std=0.2)
    found = action_probabilities(network, noise(16, 3, 256, 300))
    assert found.tolist() == pytest.approx([0.188546, 0.776052, 0.216390, 0.752000, 0.308261], abs=1e-5)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"module": s}])
def test_it_loads_what_was_saved(wrap: Any, network: Umt, tmp_path: Path) -> None:
    torch.save(wrap(network.state_dict()), tmp_path / "umt.pth")
    frames = noise(4, 3, 40, 40)
    loaded = load_umt(tmp_path / "umt.pth", **SMALL)
    assert torch.equal(action_probabilities(loaded, frames), action_probabilities(network, frames))


def test_a_file_may_lack_the_table_of_places(network: Umt, tmp_path: Path) -> None:
    torch.save({name: p for name, p in network.state_dict().items() if name != "pos_embed"}, tmp_path / "umt.pth")
    assert torch.equal(load_umt(tmp_path / "umt.pth", **SMALL).pos_embed, sine_places(2, 4, 16))


def test_another_network_is_refused(network: Umt, tmp_path: Path) -> None:
    torch.save({name: p for name, p in network.state_dict().items() if "q_bias" not in name}, tmp_path / "umt.pth")
    with pytest.raises(ValueError, match="umt: .* does not fit Umt: 2 missing, first blocks.0.attn.q_bias"):
        load_umt(tmp_path / "umt.pth", **SMALL)


def test_a_video_is_its_middle_frames(network: Umt) -> None:
    frames = noise(12, 3, 256, 280)
    pixels = normalised(square(frames[1::3], shorter=256, side=32, mode="bilinear"), IMAGENET)
    assert_close(action_probabilities(network, frames), network(pixels[None])[0].sigmoid())


def test_videos_side_by_side_do_not_meet(network: Umt) -> None:
    pixels = tiny.normal(3, 4, 3, 32, 32)
    assert_close(network(pixels), torch.cat([network(video[None]) for video in pixels]))


def test_every_parameter_matters() -> None:
    network = filled(Umt(**SMALL), std=0.2).requires_grad_()
    network(tiny.normal(1, 4, 3, 32, 32)).square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_where_and_when_a_patch_is_matters(network: Umt) -> None:
    pixels = tiny.normal(1, 4, 3, 32, 32)
    for moved in (pixels.flip(1), pixels.roll(16, -1)):
        assert not torch.allclose(network(moved), network(pixels))
    placeless = filled(Umt(**SMALL), std=0.2)
    placeless.pos_embed.data.zero_()
    for moved in (pixels.flip(1), pixels.roll(16, -1)):
        assert_close(placeless(moved), placeless(pixels))


def test_eight_frames_have_plain_sines() -> None:
    table = sine_places(3, 8, 6)
    assert table.shape == (1, 72, 6)
    for place, channel in ((0, 0), (0, 1), (40, 2), (71, 5)):
        angle = place / 10000 ** (2 * (channel // 2) / 6)
        expected = math.cos(angle) if channel % 2 else math.sin(angle)
        assert float(table[0, place, channel]) == pytest.approx(expected, abs=1e-6)


def test_more_frames_have_places_between() -> None:
    """Twice as many: a quarter and three quarters of the way, the ends repeated."""
    eight, sixteen = (sine_places(3, frames, 6).view(frames, 9, 6) for frames in (8, 16))
    assert_close(sixteen[0], eight[0])
    assert_close(sixteen[15], eight[7])
    for frame in range(7):
        assert_close(sixteen[2 * frame + 1], 0.75 * eight[frame] + 0.25 * eight[frame + 1])
        assert_close(sixteen[2 * frame + 2], 0.25 * eight[frame] + 0.75 * eight[frame + 1])


def test_attention_is_the_formula_and_keys_have_no_bias() -> None:
    layer, tokens = filled(Attention(6, 2), std=0.5), tiny.normal(1, 4, 6)
    query, key, value = (tokens[0] @ part.T for part in layer.qkv.weight.chunk(3))
    query, value = query + layer.q_bias, value + layer.v_bias
    seen = [
        (query[:, head] @ key[:, head].T / 3**0.5).softmax(1) @ value[:, head] for head in (slice(3), slice(3, None))
    ]
    assert_close(layer(tokens)[0], layer.proj(torch.cat(seen, 1)))


def test_a_silent_block_lets_tokens_by() -> None:
    block, tokens = filled(Block(8, 2), std=0.0), tiny.normal(1, 3, 8)
    assert torch.equal(block(tokens), tokens)


def test_only_confident_actions_among_the_best_are_recognised() -> None:
    probabilities = torch.tensor([0.2, 0.9, 0.84995, 0.8499, 0.99, 0.95, 0.86, 0.87])
    assert recognised(probabilities) == [4, 5, 1, 7, 6]
    assert recognised(probabilities, most=7) == [4, 5, 1, 7, 6, 2]
    assert recognised(probabilities, least=0.95) == [4, 5]
    assert recognised(torch.tensor([0.1, 0.2])) == []


def test_actions_are_read_in_order_of_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "actions.txt"
    path.write_text("Riding a Bike\t1\nabseiling\t0\n\n")
    assert read_actions(path) == ("abseiling", "riding a bike")


@pytest.mark.parametrize("text", ["", "abseiling 0\n", "abseiling\t1\n", "abseiling\t0\nclimbing\t2\n", "a\t0\nb\t0\n"])
def test_lists_with_gaps_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "actions.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"umt: .*actions.txt names no action \d; allowed: lines of a name, a tab"):
        read_actions(path)


def test_no_list_of_actions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="umt: .*none.txt is not there; allowed: kinetics_400_categories.txt"):
        read_actions(tmp_path / "none.txt")


def test_the_public_sizes_fit_together() -> None:
    assert on_meta(Umt)(torch.empty(1, 16, 3, 224, 224, device="meta")).shape == (1, 400)


def test_tokens_go_through_by_hand() -> None:
    """With silent layers the logits are those of the mean patch and the mean place."""
    network = filled(Umt(**SMALL), std=0.2)
    for block in network.blocks:
        for silent in ("attn.proj", "mlp.fc2"):
            block.get_parameter(f"{silent}.weight").zero_()
            block.get_parameter(f"{silent}.bias").zero_()
    pixels = tiny.normal(1, 4, 3, 32, 32)
    patches = [pixels[0, frame, :, y : y + 16, x : x + 16] for frame in range(4) for y in (0, 16) for x in (0, 16)]
    kernel, bias = (network.get_parameter(f"patch_embed.proj.{name}") for name in ("weight", "bias"))
    tokens = torch.stack([(kernel[:, :, 0] * patch).sum((1, 2, 3)) + bias for patch in patches]) + network.pos_embed[0]
    assert_close(network(pixels)[0], network.head(network.fc_norm(tokens.mean(0))))


def test_nothing_is_random(network: Umt) -> None:
    before, frames = torch.get_rng_state(), noise(4, 3, 40, 40)
    assert torch.equal(action_probabilities(network, frames), action_probabilities(network, frames))
    assert torch.equal(torch.get_rng_state(), before)
