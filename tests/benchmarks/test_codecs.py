"""Two walks over Wan's decoder are told apart by their times only."""

import pytest
import torch

from benchmarks import codecs


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("BASE", 4), ("HEIGHT", 2), ("WIDTH", 2), ("CHUNK", 2)):
        monkeypatch.setattr(codecs, name, size)


@pytest.mark.usefixtures("small")
def test_both_walks_make_the_same_and_remember_the_same() -> None:
    told = codecs.contest(torch.float32, chunks=1)
    assert told["off_by"] < 1e-4
    assert told["times_as_fast"] > 0
    ours, theirs = told["ours"], told["diffusers"]
    assert ours["bytes_remembered"] == theirs["bytes_remembered"] > 0
    for walk in (ours, theirs):
        assert walk["latent_frame_seconds"] > 0
        assert walk["operations"] > 1000
        assert 0.99 < sum(walk["stages"].values()) < 1.01


@pytest.mark.usefixtures("small")
def test_latents_are_the_same_every_time() -> None:
    assert torch.equal(codecs.latents(1), codecs.latents(1))
    assert codecs.latents(0).shape == (1, 2, 16, 2, 2)
