"""The toy vocabulary: one-hot words, zeros for no words, errors that name the word."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.codecs.toy_words import ToyWords
from reward_forcing.toy.captions import VOCABULARY

WORDS = ToyWords(VOCABULARY)


@given(st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=4), min_size=1, max_size=4))
def test_each_word_is_its_own_direction_of_unit_mean_square(prompts: list[list[str]]) -> None:
    embedded = WORDS([" ".join(prompt) for prompt in prompts])
    assert embedded.shape == (len(prompts), 4, len(VOCABULARY))
    for row, prompt in zip(embedded, prompts, strict=True):
        assert [VOCABULARY[int(token.argmax())] for token in row[: len(prompt)]] == prompt
        torch.testing.assert_close(row.square().mean(-1), torch.tensor([1.0] * len(prompt) + [0.0] * (4 - len(prompt))))


def test_the_empty_prompt_is_zero() -> None:
    assert not WORDS([""]).any()


def test_unknown_words_are_named() -> None:
    with pytest.raises(ValueError, match="unknown word 'purple'; allowed: red, yellow"):
        WORDS(["red circle", "purple circle"])


def test_prompts_have_a_length() -> None:
    with pytest.raises(ValueError, match="has 5 words; at most 4 are allowed"):
        WORDS(["red red red red red"])
    assert ToyWords(("a",), tokens=5)(["a a a a a"]).shape == (1, 5, 1)
