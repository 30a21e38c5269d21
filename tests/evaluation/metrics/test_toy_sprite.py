"""Sprites that are missing, doubled or not as captioned are found out."""

import pytest
import torch

from evaluation.evidence import look
from evaluation.metrics import toy_sprite
from reward_forcing.videos import to_float, to_uint8
from tests.evaluation.made import MOVING, erased, truth


def test_the_truth_is_as_captioned() -> None:
    evidence = look(truth(30), MOVING)
    for metric in (toy_sprite.one_sprite, toy_sprite.colour_accuracy, toy_sprite.shape_accuracy):
        assert (metric(evidence) == 1).all()
    assert (toy_sprite.speed_accuracy(evidence) == 1).all()
    assert (toy_sprite.shape_overlap(evidence) > 0.9).all()


def test_other_words_are_wrong() -> None:
    evidence = look(truth(20), ["blue triangle slow pan-fast", "red circle fast pan-slow", "red circle fast pan-fast"])
    assert (toy_sprite.colour_accuracy(evidence) == 0).all()
    assert (toy_sprite.shape_accuracy(evidence) == 0).all()
    assert (toy_sprite.speed_accuracy(evidence) == 0).all()
    assert (toy_sprite.one_sprite(evidence) == 1).all()


def test_an_erased_sprite_counts_until_it_is_gone() -> None:
    frames = torch.stack([to_uint8(erased(clip)) for clip in to_float(truth(20))])
    evidence = look(frames, MOVING)
    assert toy_sprite.one_sprite(evidence).mean(1) == pytest.approx(torch.full((3,), 0.5))
    assert toy_sprite.shape_accuracy(evidence)[:, 10:].sum() == 0
    assert toy_sprite.shape_overlap(evidence)[:, 10:].isnan().all()


def test_two_sprites_are_not_one() -> None:
    left = to_float(truth(1, ["red circle fast pan-still"]))
    doubled = torch.maximum(left, left.roll(16, dims=-1))
    doubled[:, :, 1:] = torch.minimum(left, left.roll(16, dims=-1))[:, :, 1:]
    evidence = look(to_uint8(doubled), ["red circle fast pan-still"])
    assert toy_sprite.one_sprite(evidence).sum() == 0
