"""Probabilities of actions in every part, and the action that a prompt names."""

from pathlib import Path

import pytest
import torch

from evaluation.backends.umt import BACKENDS, wanted
from evaluation.networks.umt import Umt, action_probabilities
from evaluation.signals import Asked
from tests.evaluation.backends.small import ACTIONS, UMT, smooth, watched
from tests.evaluation.networks.filling import filled


def test_every_part_is_seen_as_a_video_of_its_own() -> None:
    video = smooth(15, 40, 60, clips=2)
    asked = Asked(("A person is yoga", "a cat"), 15, 8.0, ((0, 15), (0, 9)))
    signals = watched("umt", video, asked, size=4)
    network = filled(Umt(**UMT), std=0.5)
    for stop in (15, 9):
        torch.testing.assert_close(
            signals["actions"].exactly(0, stop)[1], action_probabilities(network, video[1, :stop])
        )
    assert signals["action_wanted"].values[0].tolist() == [1]
    assert signals["action_wanted"].values[1].isnan().all()


def test_prompts_name_actions() -> None:
    found = wanted(["A person is riding a bike", "a person is Dining", "a person is asleep"], ACTIONS)
    assert found[:2].tolist() == [0, 2]
    assert found[2].isnan()


def test_the_table_must_fit_the_network(tmp_path: Path) -> None:
    """The public network has 400 answers; its weights are needed to get so far."""
    (tmp_path / "actions.txt").write_text("".join(f"{name}\t{number}\n" for number, name in enumerate(ACTIONS)))
    with pytest.raises(ValueError, match=r"umt: .*none.pth is not there"):
        BACKENDS[0].load([tmp_path / "none.pth", tmp_path / "actions.txt"], torch.device("cpu"))
