import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.codecs.toy_words import ToyWords
from reward_forcing.scripts import Script


def test_when_prompts_hold() -> None:
    script = Script({4: "c", 9: "d"}, 3, ToyWords(list("abcd"), tokens=1), ("a", "b"), torch.device("cpu"))
    assert [script.prompts_at(chunk) for chunk in range(4)] == [("a", "b"), ("c", "c"), ("c", "c"), ("d", "d")]
    assert script(0).shape == (2, 1, 4)
    assert script(1) is script(2), "words are encoded once"
    assert script(3) is not script(2)


@given(st.dictionaries(st.integers(0, 30), st.sampled_from("cd")), st.integers(1, 4), st.integers(0, 12))
def test_a_chunk_holds_what_its_last_frame_holds(switches: dict[int, str], frames: int, chunk: int) -> None:
    script = Script(switches, frames, ToyWords(list("abcd"), tokens=1), ("a", "b"), torch.device("cpu"))
    held = ("a", "b")
    for frame in range((chunk + 1) * frames):
        held = (switches[frame],) * 2 if frame in switches else held
    assert script.prompts_at(chunk) == held
