"""The caption holds as far as its words do."""

import pytest
import torch

from evaluation.evidence import look
from evaluation.metrics.toy_caption import caption_accuracy
from reward_forcing.videos import to_float, to_uint8
from tests.evaluation.made import erased, truth

PROMPTS = ("red circle fast pan-fast", "blue cross medium pan-any", "green triangle any plain")


def test_each_wrong_word_costs_its_share() -> None:
    frames = truth(30, PROMPTS)
    assert (caption_accuracy(look(frames, PROMPTS)) == 1).all()
    other = ("blue circle fast pan-fast", "red circle slow pan-any", "red triangle any plain")
    found = caption_accuracy(look(frames, other))
    assert found.tolist() == pytest.approx([0.75, 0, 0.5])


def test_backwards_is_another_pan() -> None:
    found = caption_accuracy(look(truth(30, PROMPTS).flip(1), PROMPTS))
    assert found.tolist() == pytest.approx([0.75, 1, 1])


def test_a_lost_sprite_holds_no_word() -> None:
    frames = torch.stack([to_uint8(erased(clip)) for clip in to_float(truth(30, PROMPTS))])
    late = look(frames, PROMPTS).between(16, 30)
    assert caption_accuracy(late)[2] == 0
