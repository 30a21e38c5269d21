import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.shapes import Geometry

GOOD: dict[str, Any] = {"channels": 6, "height": 8, "width": 12, "frames": 21, "chunk_frames": 3, "patch": 2}


def test_every_other_size_follows() -> None:
    geometry = Geometry(**GOOD)
    assert geometry.chunks == 7
    assert geometry.tokens_per_frame == 24
    assert geometry.frame_shape == (6, 8, 12)
    assert geometry.chunk_shape == (3, 6, 8, 12)
    assert geometry.clip_shape == (21, 6, 8, 12)


def test_the_released_model_has_1560_tokens_a_frame() -> None:
    assert Geometry(channels=16, height=60, width=104, frames=21, chunk_frames=3).tokens_per_frame == 1560


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_are_positive(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"geometry\.{name} is {value}; it must be at least 1"):
        Geometry(**{**GOOD, name: value})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("height", 7, "patch \\(2\\)"), ("width", 5, "patch \\(2\\)"), ("frames", 20, "chunk_frames \\(3\\)")],
)
def test_sizes_divide(name: str, value: int, allowed: str) -> None:
    with pytest.raises(
        ValueError, match=rf"geometry\.{name} is {value}; it must be a multiple of (geometry\.)?{allowed}"
    ):
        Geometry(**{**GOOD, name: value})


@given(
    chunk=st.integers(1, 5),
    chunks=st.integers(1, 9),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    patch=st.integers(1, 3),
)
def test_sizes_agree_with_each_other(chunk: int, chunks: int, rows: int, columns: int, patch: int) -> None:
    geometry = Geometry(
        channels=4,
        height=rows * patch,
        width=columns * patch,
        frames=chunk * chunks,
        chunk_frames=chunk,
        patch=patch,
    )
    assert geometry.chunks * geometry.chunk_shape[0] == geometry.clip_shape[0]
    assert geometry.chunk_shape[1:] == geometry.clip_shape[1:] == geometry.frame_shape
    assert geometry.tokens_per_frame * patch**2 * 4 == math.prod(geometry.frame_shape)
