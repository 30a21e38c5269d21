"""Scenes: pure in (seed, index), exact at every frame, continuous through switches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.toy.captions import COLOURS, SHAPES, parse
from reward_forcing.toy.world import PAN_OF_WORD, SIZE, SPEED_OF_WORD, WorldConfig, sample, switch, trace

INDICES = st.integers(0, 10_000)


@given(INDICES, INDICES)
def test_a_scene_is_a_function_of_seed_and_index(seed: int, index: int) -> None:
    assert sample(seed, index) == sample(seed, index)
    assert sample(seed, index) != sample(seed, index + 1)
    assert sample(seed, index) != sample(seed + 1, index)


@given(INDICES)
def test_other_words_leave_the_rest_of_the_scene(index: int) -> None:
    scene = sample(1, index)
    other = sample(1, index, caption="red cross fast pan-slow")
    assert other.caption == "red cross fast pan-slow"
    assert (other.radius, other.position, other.direction) == (scene.radius, scene.position, scene.direction)
    assert (other.palette, other.phase) == (scene.palette, scene.phase)


@given(INDICES, st.integers(0, 60), st.integers(1, 20))
def test_frames_need_no_earlier_frames(index: int, start: int, count: int) -> None:
    scenes = [sample(2, index), sample(2, index + 1)]
    whole, part = trace(scenes, 0, start + count), trace(scenes, start, start + count)
    for name in ("centre", "colour", "shape", "scroll"):
        torch.testing.assert_close(getattr(whole, name)[:, start:], getattr(part, name), rtol=0, atol=0)


@given(INDICES)
def test_the_sprite_stays_inside_and_keeps_its_speed(index: int) -> None:
    scene = sample(3, index)
    states = trace([scene], 0, 200)
    assert states.centre.min() >= scene.radius - 1e-4
    assert states.centre.max() <= SIZE - scene.radius + 1e-4
    steps = states.centre[0].diff(dim=0).norm(dim=-1)
    speed = scene.segments[0].sprite_speed
    assert steps.max() <= speed + 1e-4
    assert steps.median() == pytest.approx(speed, abs=1e-3)


@pytest.mark.parametrize("index", range(40))
def test_words_mean_their_speeds(index: int) -> None:
    segment, spread = sample(4, index).segments[0], WorldConfig().speed_spread
    for word, speed, of_word in (
        (segment.caption.speed, segment.sprite_speed, SPEED_OF_WORD),
        (segment.caption.pan, segment.pan_speed, PAN_OF_WORD),
    ):
        if word in of_word:
            assert speed == pytest.approx(of_word[word], rel=spread + 1e-9)
    states = trace([sample(4, index)], 0, 5)
    assert COLOURS[int(states.colour[0, 0])] == segment.caption.colour
    assert SHAPES[int(states.shape[0, 0])] == segment.caption.shape
    assert states.scroll.diff(dim=1)[0].numpy() == pytest.approx([segment.pan_speed] * 4, abs=1e-4)


def test_a_switch_changes_words_and_nothing_else() -> None:
    before = sample(5, 0, caption="red circle slow pan-slow")
    after = switch(before, 30, "blue cross fast pan-fast")
    old, new = trace([before], 0, 60), trace([after], 0, 60)
    torch.testing.assert_close(old.centre[:, :31], new.centre[:, :31])
    torch.testing.assert_close(old.scroll[:, :31], new.scroll[:, :31])
    torch.testing.assert_close(old.palette, new.palette)
    assert new.centre[0].diff(dim=0).norm(dim=-1).max() < 2.0
    assert not torch.equal(old.centre[:, 32:], new.centre[:, 32:])
    assert [COLOURS[int(i)] for i in new.colour[0, [0, 29, 30, 59]]] == ["red", "red", "blue", "blue"]
    assert SHAPES[int(new.shape[0, 30])] == "cross"
    assert (after.caption_at(29), after.caption_at(30)) == (before.caption, "blue cross fast pan-fast")


def test_switches_are_checked() -> None:
    scene = switch(sample(5, 0, caption="red circle slow pan-slow"), 30, "blue cross fast pan-fast")
    with pytest.raises(ValueError, match="frame is 30; allowed: above 30"):
        switch(scene, 30, "red cross fast pan-fast")
    with pytest.raises(ValueError, match="changes the background kind"):
        switch(scene, 40, "red cross fast plain")


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_the_mixture_of_worlds_can_be_chosen(fraction: float) -> None:
    captions = [parse(sample(6, i, WorldConfig(plain_fraction=fraction)).caption) for i in range(50)]
    assert {caption.plain for caption in captions} == {bool(fraction)}


def test_a_wrong_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match=r"WorldConfig.any_fraction is 1.5; allowed: 0 to 1"):
        WorldConfig(any_fraction=1.5)


def test_every_word_occurs() -> None:
    words = {word for i in range(300) for word in sample(7, i).caption.split()}
    assert len(words) == 18
