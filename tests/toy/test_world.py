"""Scenes: pure in (seed, index), exact at every frame, continuous through switches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.toy.captions import COLOURS, SHAPES, parse
from reward_forcing.toy.world import PAN_OF_WORD, SIZE, SPEED_OF_WORD, WAVELENGTH, WorldConfig, sample, switch, trace

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


@given(INDICES)
def test_a_scene_keeps_to_its_config(index: int) -> None:
    config = WorldConfig(radius=(4.0, 5.0), dark=(0.1, 0.2), bright=(0.8, 0.9), chroma=(0.01, 0.02))
    scene = sample(8, index, config)
    assert 4.0 <= scene.radius <= 5.0
    assert scene.direction[0] ** 2 + scene.direction[1] ** 2 == pytest.approx(1)
    assert 0 <= scene.phase < WAVELENGTH
    for colour, (low, high) in zip(scene.palette, (config.dark, config.bright), strict=True):
        luma = sum(colour) / 3  # the three turns of the hue cancel
        assert low - 1e-9 <= luma <= high + 1e-9
        assert sum((value - luma) ** 2 for value in colour) ** 0.5 == pytest.approx(0.015 * 1.5**0.5, rel=0.34)


@given(INDICES)
def test_any_speed_is_drawn_from_its_range(index: int) -> None:
    config = WorldConfig(any_speed=(0.5, 0.6), any_pan=(0.9, 1.0))
    segment = sample(9, index, config, caption="red cross any pan-any").segments[0]
    assert 0.5 <= segment.sprite_speed <= 0.6
    assert 0.9 <= segment.pan_speed <= 1.0


def test_without_spread_words_are_exact() -> None:
    config = WorldConfig(speed_spread=0.0)
    for word, speed in SPEED_OF_WORD.items():
        for pan, pixels in PAN_OF_WORD.items():
            segment = sample(10, 0, config, caption=f"red cross {word} {pan}").segments[0]
            assert (segment.sprite_speed, segment.pan_speed) == (speed, pixels)


@given(INDICES)
def test_flights_reflect_at_the_walls(index: int) -> None:
    scene = sample(11, index, caption="red circle fast pan-still")
    place, velocity = list(scene.position), [d * scene.segments[0].sprite_speed for d in scene.direction]
    low, high = scene.radius, SIZE - scene.radius
    walked = []
    for _ in range(60):
        walked.append(tuple(place))
        for axis in (0, 1):
            place[axis] += velocity[axis]
            if not low <= place[axis] <= high:
                place[axis] = 2 * (low if place[axis] < low else high) - place[axis]
                velocity[axis] = -velocity[axis]
    torch.testing.assert_close(trace([scene], 0, 60).centre[0], torch.tensor(walked), rtol=0, atol=1e-3)


@given(INDICES, st.integers(1, 40), st.integers(1, 40))
def test_scroll_adds_up_over_switches(index: int, first: int, more: int) -> None:
    scene = sample(12, index, caption="red circle slow pan-slow")
    scene = switch(scene, first, "blue cross fast pan-fast")
    scene = switch(scene, first + more, "green circle slow pan-still")
    slow, fast, still = (segment.pan_speed for segment in scene.segments)
    assert still == 0
    scroll = trace([scene], 0, first + more + 5).scroll[0]
    assert scroll[first] == pytest.approx(scene.phase + first * slow, abs=1e-3)
    assert scroll[first + more] == pytest.approx(scene.phase + first * slow + more * fast, abs=1e-3)
    assert torch.equal(scroll[first + more :], scroll[-1].expand(5))


def test_switching_is_repeatable_and_leaves_the_first_scene() -> None:
    scene = sample(13, 0, caption="red circle slow pan-slow")
    first, again = (switch(scene, 7, "blue cross any pan-any") for _ in range(2))
    assert first == again
    assert len(scene.segments) == 1
    assert switch(scene, 8, "blue cross any pan-any").segments[1].sprite_speed != first.segments[1].sprite_speed


def test_scenes_are_traced_side_by_side() -> None:
    scenes = [sample(14, 0, caption="red circle slow plain"), sample(14, 1, caption="red cross slow pan-fast")]
    both, alone = trace(scenes, 3, 9), [trace([scene], 3, 9) for scene in scenes]
    assert both.plain.tolist() == [1, 0]
    assert both.centre.shape == (2, 6, 2)
    for name in ("centre", "radius", "colour", "shape", "scroll", "palette"):
        assert torch.equal(getattr(both, name), torch.cat([getattr(states, name) for states in alone]))


@pytest.mark.parametrize("name", ["plain_fraction", "any_fraction", "speed_spread"])
@given(st.floats(allow_nan=True).filter(lambda value: not 0 <= value <= 1))
def test_no_fraction_may_leave_its_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"WorldConfig.{name} is .*; allowed: 0 to 1"):
        WorldConfig(**{name: value})  # type: ignore[arg-type]
