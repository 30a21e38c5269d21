"""Captions: every word in its place, and back."""

import itertools

import pytest

from reward_forcing.toy.captions import COLOURS, PANS, SHAPES, SPRITE_SPEEDS, VOCABULARY, Caption, parse


@pytest.mark.parametrize("words", itertools.product(COLOURS[:2], SHAPES, SPRITE_SPEEDS, PANS))
def test_a_caption_reads_back(words: tuple[str, str, str, str]) -> None:
    caption = Caption(*words)
    assert parse(str(caption)) == caption
    assert caption.plain == (words[3] == "plain")


def test_words_are_distinct() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY) == 18


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "has 0 words"),
        ("red circle slow", "has 3 words"),
        ("pink circle slow plain", "colour is 'pink'; allowed: red, yellow"),
        ("red star slow plain", "shape is 'star'"),
        ("red circle quick plain", "speed is 'quick'"),
        ("red circle slow still", "pan is 'still'; allowed: pan-still"),
    ],
)
def test_a_wrong_caption_says_what_is_allowed(prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(prompt)
