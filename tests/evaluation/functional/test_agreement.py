"""Cosines with words, the aesthetic head, and actions in prompts."""

import pytest
import torch
from torch import nn

from evaluation.functional.agreement import action_of, aesthetic, agreement
from tests.evaluation.networks.filling import filled, noise


def test_agreement_is_a_cosine_of_frames_and_of_videos() -> None:
    seen = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0], [5.0, 0.0]]])
    said = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    expected = torch.tensor([[1, 0, 0.5**0.5], [0, 1, 0]])
    torch.testing.assert_close(agreement(seen, said), expected)
    torch.testing.assert_close(agreement(seen[:, 2], said), expected[:, 2])


def test_it_is_a_hundredth_of_clips_logits() -> None:
    """Of features of length one, times the scale of 100."""
    seen, said = noise(1, 1, 4, 9)[0].float() - 99, noise(1, 1, 1, 9, seed=1)[0].float() - 99
    logits = 100 * nn.functional.normalize(seen, dim=-1) @ nn.functional.normalize(said, dim=-1).mT
    torch.testing.assert_close(agreement(seen, said[0]), logits[..., 0] / 100)


def test_words_that_are_not_known_agree_with_nothing() -> None:
    assert agreement(torch.ones(1, 3, 4), torch.full((1, 4), torch.nan)).isnan().all()


def test_the_head_sees_features_of_length_one() -> None:
    head, features = filled(nn.Linear(6, 1), std=0.5), noise(1, 1, 5, 6)[0, 0].float()
    expected = head(features / features.norm(dim=1, keepdim=True))[:, 0] / 10
    torch.testing.assert_close(aesthetic(features, head.weight, head.bias), expected)
    torch.testing.assert_close(aesthetic(9 * features, head.weight, head.bias), expected)


@pytest.mark.parametrize(
    ("prompt", "action"),
    [
        ("A person is riding a bike", "riding a bike"),
        ("a PERSON IS Yoga", "yoga"),
        ("a person is a person is dining", "dining"),
        ("people are dining", ""),
    ],
)
def test_actions_stand_behind_the_person(prompt: str, action: str) -> None:
    assert action_of(prompt) == action
