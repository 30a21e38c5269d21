"""The toy codec: frame by frame, normalised, and trainable."""

import pytest
import torch
from torch import Tensor

from reward_forcing.codecs.toy_codec import ToyCodec, reconstruction_loss
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, trace


@pytest.fixture(scope="module")
def video() -> Tensor:
    return render(trace([sample(1, index) for index in range(8)], 0, 6))


@pytest.fixture
def codec() -> ToyCodec:
    torch.manual_seed(0)
    return ToyCodec(channels=4, width=16)


def test_sizes(codec: ToyCodec, video: Tensor) -> None:
    latents = codec.encode(video)
    assert latents.shape == (8, 6, 4, 8, 8)
    assert codec.decode(latents).shape == video.shape


@torch.no_grad()
def test_a_stream_of_chunks_is_the_clip(codec: ToyCodec, video: Tensor) -> None:
    latents = codec.encode(video)
    torch.testing.assert_close(torch.cat([codec.encode(part) for part in video.split(3, 1)], 1), latents)
    decoded = torch.cat([codec.decode(part) for part in latents.split(2, 1)], 1)
    torch.testing.assert_close(decoded, codec.decode(latents))


@torch.no_grad()
def test_latents_are_normalised_once_measured(codec: ToyCodec, video: Tensor) -> None:
    before = codec.decode(codec.encode(video))
    codec.measure(video)
    latents = codec.encode(video)
    torch.testing.assert_close(latents.mean((0, 1, 3, 4)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(latents.std((0, 1, 3, 4)), torch.ones(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(codec.decode(latents), before, rtol=0, atol=1e-5)


def test_training_makes_it_better(codec: ToyCodec, video: Tensor) -> None:
    frames = video.flatten(0, 1)
    optimiser = torch.optim.AdamW(codec.parameters(), 3e-3)
    losses = []
    for step in range(40):
        loss = reconstruction_loss(codec, frames, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_the_loss_depends_on_its_generator_alone(codec: ToyCodec, video: Tensor) -> None:
    first, again, other = (
        float(reconstruction_loss(codec, video[:, 0], torch.Generator().manual_seed(seed)).detach())
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_noise_the_loss_is_the_stated_sum(video: Tensor) -> None:
    codec, frames = ToyCodec(channels=4, width=16, noise=0.0), video[:, 0]
    raw = codec.encoder(frames)
    error = codec.decoder(raw) - frames
    expected = error.square().mean() + 0.1 * error.abs().mean() + 1e-3 * raw.square().mean()
    torch.testing.assert_close(reconstruction_loss(codec, frames), expected)
