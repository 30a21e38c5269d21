"""Staying the same is about the first chunk, not about the caption, and about frames with a sprite."""

import pytest
import torch

from evaluation.evidence import Evidence, look
from evaluation.metrics import toy_likeness
from reward_forcing.toy.render import render
from reward_forcing.toy.world import sample, switch, trace
from reward_forcing.videos import to_float, to_uint8
from tests.evaluation.made import MOVING, Damage, brightened, erased, noisy, tinted, truth
from tests.evaluation.made import intact as intact_frames

PROMPT = "red circle fast pan-fast"


def switched(caption: str) -> Evidence:
    """Another sprite from frame 12 of 24 on."""
    scene = switch(sample(7, 0, caption=PROMPT), 12, caption)
    return look(to_uint8(render(trace([scene], 0, 24))), [PROMPT])


@pytest.mark.parametrize(
    ("caption", "colour", "shape"), [("blue circle fast pan-fast", 0.5, 1), ("red cross fast pan-fast", 1, 0.5)]
)
def test_colour_and_shape_are_kept_apart_from_each_other(caption: str, colour: float, shape: float) -> None:
    evidence = switched(caption)
    found = [float(metric(evidence).mean()) for metric in (toy_likeness.colour_kept, toy_likeness.shape_kept)]
    assert found == [colour, shape]
    assert float(toy_likeness.identity(evidence).mean()) == 0.5


def test_a_wrong_sprite_that_stays_is_kept() -> None:
    evidence = look(truth(12), ["green cross slow pan-still"] * 3)
    assert (toy_likeness.identity(evidence) == 1).all()


def test_what_vanishes_is_not_judged() -> None:
    frames = torch.stack([to_uint8(erased(clip)) for clip in to_float(truth(20))])
    evidence = look(frames, MOVING)
    for metric in (toy_likeness.identity, toy_likeness.fidelity, toy_likeness.sprite_colour_error):
        assert metric(evidence)[:, 10:].isnan().all()
        assert metric(evidence)[:, :10].isfinite().all()
    assert (toy_likeness.resets(evidence) == 0).all()


@pytest.mark.parametrize("damage", [noisy, tinted, brightened])
def test_damage_costs_fidelity(damage: Damage) -> None:
    intact, broken = (
        look(torch.stack([to_uint8(change(clip)) for clip in to_float(truth(24))]), MOVING)
        for change in (intact_frames, damage)
    )
    assert float(toy_likeness.fidelity(intact).nanmean()) > 49.5
    assert float(toy_likeness.fidelity(broken).nanmean()) < 40


def test_resets_are_counted() -> None:
    frames = truth(30)
    again = frames[:, [*range(10)] * 3]
    assert (toy_likeness.resets(look(again, MOVING)) >= 1).sum() >= 2
    assert (toy_likeness.resets(look(frames, MOVING)) == 0).all()
