"""The shape that JSON must have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.shape import NUMBER, misshapen, read_json

SHAPE = {"name": str, "parts": [{"size": NUMBER}], "notes": {str: [str]}}
RIGHT = {"name": "x", "parts": [{"size": 1}, {"size": 0.5, "more": None}], "notes": {"a": ["b"]}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"name": 3}, "content.name is a int; it must be str"),
        ({"parts": {}}, "content.parts is a dict; it must be list"),
        ({"parts": [{"size": 1}, {}]}, "content.parts[1].size is missing"),
        ({"parts": [{"size": True}]}, "content.parts[0].size is a bool; it must be int or float"),
        ({"notes": {"a": ["b", None]}}, "content.notes.a[1] is a NoneType; it must be str"),
    ],
)
def test_the_first_fault_is_told_by_its_place(changes: dict[str, Any], words: str) -> None:
    assert misshapen({**RIGHT, **changes}, SHAPE) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_any_value_has_the_shape_or_a_fault(value: Any) -> None:
    right = isinstance(value, dict) and all(isinstance(part, str) for part in value.values())
    assert (misshapen(value, {str: str}) == "") == right


@pytest.mark.parametrize(
    ("text", "words"),
    [("NaN", "NaN is no number"), ("[Infinity]", "no number"), ("{", "Expecting"), ("[" * 100_000, "too deeply")],
)
def test_what_is_no_json(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_json(text)
