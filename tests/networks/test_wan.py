import inspect
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from reward_forcing.composition.configuration import build, compose
from reward_forcing.memory.past import ReadOnly, Remembered
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.networks import layouts
from reward_forcing.networks.wan import WanTransformer, modulate, patches, recomputed, sinusoid
from tests import tiny


def test_sinusoid_of_a_timestep() -> None:
    entries = sinusoid(torch.tensor(937.5), 256)
    assert entries.dtype == torch.float64
    expected = [0.262302, 0.580487, 0.257223, -0.998761, 0.99493, 0.964986, -0.814269, 0.966352, 0.049757, 0.100574]
    places = [0, 1, 2, 64, 127]
    assert_close(
        entries[[*places, *(128 + place for place in places)]], torch.tensor(expected).double(), atol=1e-6, rtol=0
    )


def test_modulation_of_normalised_tokens() -> None:
    tokens = tiny.normal(1, 2, 3, 8)
    moved = modulate(tokens, torch.full((8,), 2.0), torch.full((8,), 0.5))
    assert_close(moved.mean(-1), torch.full((1, 2, 3), 2.0))
    assert_close(moved.std(-1, correction=0), torch.full((1, 2, 3), 1.5), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("dim", "heads"), [(24, 5), (8, 2), (14, 2)])
def test_impossible_heads_are_refused(dim: int, heads: int) -> None:
    with pytest.raises(ValueError, match=rf"network\.dim is {dim} with {heads} heads"):
        tiny.network(dim=dim, heads=heads)


def test_a_fresh_network_predicts_nothing() -> None:
    fresh = WanTransformer(**tiny.SIZES)
    assert not fresh(tiny.latents(), torch.ones(1), tiny.prompts()).any()
    assert all(bias is not None and not bias.any() for name, bias in fresh.named_parameters() if name.endswith("bias"))


def test_one_noise_level_a_sample_is_that_level_for_every_frame() -> None:
    network, noisy = tiny.network(), tiny.latents(2, 3)
    level = torch.tensor([0.3, 0.8])
    assert_close(network(noisy, level, tiny.prompts(2)), network(noisy, level[:, None].expand(2, 3), tiny.prompts(2)))


def test_every_input_matters() -> None:
    network, noisy, sigma, prompt = tiny.network(), tiny.latents(1, 3), torch.full((1, 3), 0.5), tiny.prompts()
    velocity = network(noisy, sigma, prompt)
    later = sigma.clone()
    later[:, 2] = 0.9
    assert not torch.allclose(network(noisy, later, prompt)[:, 2], velocity[:, 2])
    assert not torch.allclose(network(noisy, sigma, tiny.prompts(seed=9)), velocity)
    assert not torch.allclose(network(noisy.flip(1), sigma, prompt).flip(1), velocity)  # frames have places in time
    assert not torch.allclose(network(noisy.flip(3), sigma, prompt).flip(3), velocity)
    assert not torch.allclose(network(noisy.flip(4), sigma, prompt).flip(4), velocity)


@pytest.mark.parametrize("with_past", [False, True])
def test_samples_of_a_batch_are_independent(with_past: bool) -> None:
    network, noisy, sigma, prompt = tiny.network(), tiny.latents(3, 2), tiny.sigmas(3, 2), tiny.prompts(3)
    alone = slice(1, 2)
    if with_past:
        _, known = tiny.passed(network, tiny.latents(3, 3, seed=5), tiny.sigmas(3, 3), prompt)
        together = network(noisy, sigma, prompt, tiny.Noted(known))
        own = tiny.Noted(tiny.map_batch(known, lambda tensor: tensor[alone]))
        single = network(noisy[alone], sigma[alone], prompt[alone], own)
    else:
        together = network(noisy, sigma, prompt)
        single = network(noisy[alone], sigma[alone], prompt[alone])
    assert_close(single, together[alone], atol=1e-5, rtol=1e-5)


@settings(max_examples=12)
@given(
    chunk_frames=st.integers(1, 3),
    chunks=st.integers(1, 4),
    window=st.none() | st.integers(0, 4),
    seed=st.integers(0, 5),
)
def test_streaming_is_the_masked_forward(chunk_frames: int, chunks: int, window: int | None, seed: int) -> None:
    """Chunk by chunk through the memory, or the whole clip under a block-causal mask: the same velocities."""
    frames = chunk_frames * chunks
    window_frames = None if window is None else chunk_frames + window
    network, prompt = tiny.network(seed), tiny.prompts(2)
    noisy, sigma = tiny.latents(2, frames, seed), tiny.sigmas(2, frames, seed)
    policy = MemoryPolicy(sink=NoSink(), window_frames=window_frames, chunk_frames=chunk_frames)
    memory, parts = Remembered(policy), zip(noisy.split(chunk_frames, 1), sigma.split(chunk_frames, 1), strict=True)
    streamed = [network(part, level, prompt, memory) for part, level in parts]
    masked = network(noisy, sigma, prompt, layout=layouts.block_causal(frames, chunk_frames, window_frames))
    assert_close(torch.cat(streamed, 1), masked, atol=2e-5, rtol=1e-4)


def test_streaming_over_clean_context_is_the_teacher_forcing_forward() -> None:
    network, prompt = tiny.network(), tiny.prompts(2)
    clean, noisy, sigma = tiny.latents(2, 6, seed=1), tiny.latents(2, 6, seed=2), tiny.sigmas(2, 6)
    policy = MemoryPolicy(sink=NoSink(), window_frames=None, chunk_frames=2)
    memory, streamed = Remembered(policy), []
    for start in range(0, 6, 2):
        now = slice(start, start + 2)
        streamed.append(network(noisy[:, now], sigma[:, now], prompt, ReadOnly(memory)))
        network(clean[:, now], torch.zeros(2, 2), prompt, memory)
    both, levels = torch.cat([clean, noisy], 1), torch.cat([torch.zeros(2, 6), sigma], 1)
    masked = network(both, levels, prompt, layout=layouts.teacher_forcing(6, 2))[:, 6:]
    assert_close(torch.cat(streamed, 1), masked, atol=2e-5, rtol=1e-4)


def test_a_later_place_in_time_changes_nothing() -> None:
    """Rotary positions are relative through the whole network."""
    network, noisy, sigma, prompt = tiny.network(), tiny.latents(1, 4), tiny.sigmas(1, 4), tiny.prompts()
    moved = layouts.Layout(torch.arange(4).float() + 100)
    assert_close(network(noisy, sigma, prompt, layout=moved), network(noisy, sigma, prompt), atol=2e-5, rtol=1e-4)


def test_nothing_remembered_is_the_bidirectional_forward() -> None:
    network, noisy, sigma, prompt = tiny.network(), tiny.latents(1, 3), tiny.sigmas(1, 3), tiny.prompts()
    velocity, written = tiny.passed(network, noisy, sigma, prompt)
    assert_close(velocity, network(noisy, sigma, prompt))
    assert written.keys.shape == (2, 1, 3, 4, 2, 12)


def gradients(network: WanTransformer, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters())))


@pytest.mark.parametrize("remembering", [False, True])
def test_gradient_checkpointing_changes_no_gradient(remembering: bool) -> None:
    results = []
    for checkpointing in (False, 0.5, True):
        network, noisy = tiny.network(layers=4, checkpointing=checkpointing), tiny.latents(1, 2)
        inputs: tuple[Any, ...] = (noisy, tiny.sigmas(1, 2), tiny.prompts())
        if remembering:
            first, known = tiny.passed(network, *inputs)
            second, _ = tiny.passed(network, *inputs, known=known)
            results.append(gradients(network, (first + second).square().mean()))
        else:
            results.append(gradients(network, network(*inputs).square().mean()))
    assert all(torch.equal(one, other) for one, *others in zip(*results, strict=True) for other in others)


@given(layers=st.integers(1, 60), share=st.floats(0, 1))
def test_a_share_of_the_blocks_is_recomputed(layers: int, share: float) -> None:
    """So many, evenly: any first blocks hold their part of them, rounded up at most."""
    chosen, count = [recomputed(layer, layers, share) for layer in range(layers)], round(share * layers)
    parts = zip(itertools.accumulate(chosen), range(1, layers + 1), strict=True)
    assert sum(chosen) == count
    assert all(0 <= part - count * blocks / layers < 1 for part, blocks in parts)
    assert chosen[-1] == (count == layers), "the last is the last to be recomputed"


@pytest.mark.parametrize(
    ("share", "chosen"),
    [(False, ()), (0.25, (0, 4)), (0.5, (0, 2, 4, 6)), (0.75, (0, 1, 2, 4, 5, 6)), (True, range(8))],
)
def test_blocks_that_are_recomputed(share: float, chosen: Sequence[int]) -> None:
    assert [layer for layer in range(8) if recomputed(layer, 8, share)] == list(chosen)


@pytest.mark.parametrize("share", [-0.1, 1.5, 2, float("nan")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=rf"network\.checkpointing is {share}; it must be within \[0, 1\]"):
        tiny.network(checkpointing=share)


def test_each_patch_goes_back_to_its_place() -> None:
    """With a head that copies and no blocks, patches come out where they went in."""
    network = tiny.network(layers=0, channels=3)
    tokens = tiny.normal(1, 2, 6, 12)
    latents = network.unpatchify(tokens, 2, 3)
    assert latents.shape == (1, 2, 3, 4, 6)
    for row, column, patch_row, patch_column, channel in itertools.product(
        range(2), range(3), range(2), range(2), range(3)
    ):
        token = tokens[0, 1, row * 3 + column]
        place = latents[0, 1, channel, 2 * row + patch_row, 2 * column + patch_column]
        assert place == token[(patch_row * 2 + patch_column) * 3 + channel]


def test_bf16_stays_bf16() -> None:
    network, noisy = tiny.network().bfloat16(), tiny.latents().bfloat16()
    velocity, written = tiny.passed(network, noisy, torch.full((1, 3), 0.5), tiny.prompts())
    assert velocity.dtype == written.keys.dtype == torch.bfloat16
    assert velocity.isfinite().all()


def test_a_network_knows_what_it_was_built_from() -> None:
    """Exports build networks from these sizes alone."""
    free = {"self", "checkpointing", "norm_dtype", "compiled"}
    asked = set(inspect.signature(WanTransformer.__init__).parameters) - free
    network = tiny.network()
    assert set(network.sizes) == asked
    assert all(network.sizes[name] == size for name, size in tiny.SIZES.items())


def test_a_place_embedding_tells_tokens_where_they_are() -> None:
    """Without it, a frame of equal tokens stays one; with it, its tokens differ."""
    flat = torch.ones(1, 1, tiny.SIZES["channels"], 4, 4)
    sigma, prompt = torch.ones(1), tiny.prompts()
    plain, placed = tiny.network()(flat, sigma, prompt), tiny.network(places=4)(flat, sigma, prompt)
    corners = [(0, 0), (0, 2), (2, 0), (2, 2)]
    first, *others = (plain[..., row : row + 2, column : column + 2] for row, column in corners)
    assert all(torch.allclose(first, other, atol=1e-5) for other in others)
    first, *others = (placed[..., row : row + 2, column : column + 2] for row, column in corners)
    assert not any(torch.allclose(first, other, atol=1e-3) for other in others)


def test_a_place_embedding_streams_like_any_other_network() -> None:
    network, noisy, sigma, prompt = tiny.network(places=4), tiny.latents(1, 4), tiny.sigmas(1, 4), tiny.prompts()
    _, known = tiny.passed(network, noisy[:, :2], sigma[:, :2], prompt)
    streamed = network(noisy[:, 2:], sigma[:, 2:], prompt, tiny.Noted(known))
    masked = network(noisy, sigma, prompt, layout=layouts.block_causal(4, 2))
    assert_close(streamed, masked[:, 2:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "parameters"), [("wan_1_3b", 1_418_996_800), ("wan_14b", 14_288_491_584)])
def test_published_sizes(name: str, parameters: int) -> None:
    config = compose([f"networks={name}", "geometry=wan_480p"])
    with torch.device("meta"):
        network = build(config, "networks")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@torch.no_grad()
def test_half_precision_inside_full_outside() -> None:
    network, half = tiny.network(dim=48), tiny.network(dim=48).bfloat16()
    mixed = tiny.network(dim=48, norm_dtype="float32").bfloat16()
    noisy, sigma, prompt = tiny.latents(2), tiny.sigmas(2, 3), tiny.prompts(2)
    exact = network(noisy, sigma, prompt)
    velocity, written = tiny.passed(half, noisy, sigma, prompt)
    assert velocity.dtype == noisy.dtype == torch.float32
    assert written.keys.dtype == torch.bfloat16
    assert_close(velocity, exact, atol=0.1, rtol=0.1)
    assert (mixed(noisy, sigma, prompt) - exact).norm() < (velocity - exact).norm()


def test_autocast_learns_full_precision_weights() -> None:
    network, noisy = tiny.network(), tiny.latents()
    with torch.autocast("cpu", torch.bfloat16):
        velocity, _ = tiny.passed(network, noisy, tiny.sigmas(1, 3), tiny.prompts())
    velocity.square().mean().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.dtype == torch.float32 for gradient in gradients)
    assert_close(velocity, network(noisy, tiny.sigmas(1, 3), tiny.prompts()), atol=0.1, rtol=0.1)


def test_keys_and_values_are_the_same_with_and_without_gradients() -> None:
    network, noisy, prompt = tiny.network(layers=3), tiny.normal(1, 2, 2, 4, 4), tiny.prompts(1)
    inputs = (network, noisy, torch.full((1, 2), 0.5), prompt)
    with_gradients = tiny.passed(*inputs)[1]
    with torch.no_grad():
        without = tiny.passed(*inputs)[1]
    assert with_gradients.keys.requires_grad
    assert torch.equal(without.keys, with_gradients.keys)
    assert torch.equal(without.values, with_gradients.values)


@pytest.mark.parametrize("patch", [1, 2])
def test_embedding_patches_is_the_convolution_of_the_checkpoints(patch: int) -> None:
    network = tiny.network(patch=patch)
    noisy, embedding = tiny.normal(2, 3, 2, 4, 6), network.patch_embedding
    wanted = embedding(noisy.transpose(1, 2)).flatten(3).permute(0, 2, 3, 1)
    found = functional.linear(patches(noisy, patch), embedding.weight.flatten(1), embedding.bias)
    assert_close(found, wanted)


def test_blocks_may_be_told_of_a_prompt_before() -> None:
    """Then the gradients of several passes meet in what they were told."""
    network, noisy, prompt = tiny.network(), tiny.latents(2), tiny.prompts(2).requires_grad_()
    told = network.told(prompt)
    passes = [network(noisy, torch.tensor([0.3, 0.8]), words) for words in (told, told, prompt, prompt)]
    assert all(torch.equal(one, passes[0]) for one in passes)
    together = torch.autograd.grad((passes[0] + passes[1]).square().sum(), prompt)[0]
    assert_close(together, torch.autograd.grad((passes[2] + passes[3]).square().sum(), prompt)[0])
