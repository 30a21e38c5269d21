"""The toy codec: frame by frame, normalised, and trainable."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from reward_forcing.codecs.toy_codec import ToyCodec, load_codec, reconstruction_loss, save_codec
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
def test_the_order_of_numbers_in_memory_changes_nothing(codec: ToyCodec, video: Tensor) -> None:
    """Inside, channels come last; outside they do not."""
    latents = codec.encode(video)
    raw = latents * codec.std[:, None, None] + codec.mean[:, None, None]
    torch.testing.assert_close(raw.flatten(0, 1), codec.encoder(video.flatten(0, 1)))
    torch.testing.assert_close(codec.decode(latents).flatten(0, 1), codec.decoder(raw.flatten(0, 1)))
    assert codec.decode(latents).is_contiguous()


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


@torch.no_grad()
def test_frames_are_decoded_next_without_a_past(codec: ToyCodec, video: Tensor) -> None:
    latents = codec.encode(video)
    first, past = codec.decode_next(latents[:, :2])
    assert past is None
    second, _ = codec.decode_next(latents[:, 2:], past)
    torch.testing.assert_close(torch.cat([first, second], 1), codec.decode(latents))
    assert codec.video_frames(latents.shape[1]) == video.shape[1]
    torch.testing.assert_close(torch.cat(list(codec.encode_parts(iter(video.split(2, 1)))), 1), latents)


@torch.no_grad()
def test_a_change_of_one_frame_stays_there(codec: ToyCodec, video: Tensor) -> None:
    changed = video.clone()
    changed[:, 2] = -changed[:, 2]
    differs = (codec.encode(changed) - codec.encode(video)).abs().amax((0, 2, 3, 4)) > 1e-4
    assert differs.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("decay", [0.0, 0.25, 1.0])
def test_statistics_move_by_what_does_not_remain(codec: ToyCodec, video: Tensor, decay: float) -> None:
    with torch.no_grad():
        raw = codec.encode(video)  # statistics are still 0 and 1
    codec.measure(video, decay)
    torch.testing.assert_close(codec.mean, (1 - decay) * raw.mean((0, 1, 3, 4)))
    torch.testing.assert_close(codec.std, decay + (1 - decay) * raw.std((0, 1, 3, 4)))


@torch.no_grad()
def test_a_saved_codec_is_loaded_frozen_and_the_same(codec: ToyCodec, video: Tensor, tmp_path: Path) -> None:
    codec.measure(video)
    path = tmp_path / "new" / "codec.safetensors"
    save_codec(path, codec, {"origin": "a test"})
    loaded = load_codec(path)
    assert loaded.sizes == codec.sizes
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert torch.equal(loaded.encode(video), codec.encode(video))
    assert [file.name for file in path.parent.iterdir()] == ["codec.safetensors"]
    with safe_open(path, "pt") as opened:
        assert opened.metadata()["origin"] == "a test"


def test_files_that_are_no_codec_are_refused(codec: ToyCodec, tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    with pytest.raises(ValueError, match="is not a file; give the path"):
        load_codec(path)
    save_file({"x": torch.zeros(1)}, path, {"other": "note"})
    with pytest.raises(ValueError, match="no 'codec' entry in its metadata"):
        load_codec(path)
    path.write_bytes(b"not tensors at all")
    with pytest.raises(ValueError, match="cannot be read as a toy codec"):
        load_codec(path)
    save_file(codec.state_dict(), path, {"codec": json.dumps({**codec.sizes, "channels": 5})})
    with pytest.raises(ValueError, match="cannot be read as a toy codec"):
        load_codec(path)
