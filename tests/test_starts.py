from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reward_forcing.starts import cropped, encode_start
from reward_forcing.streaming import load_streamer
from tests import small_runs
from tests.test_streaming import notes, write_student


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    small_runs.write_exports(folder)
    return write_student(folder / "student.safetensors", notes())


def test_a_picture_of_any_size_is_a_start(student: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 70), "red").save(tmp_path / "start.png")
    with pytest.warns(UserWarning, match=r"start.png is 70 x 50; videos are 32 x 32, so 13 of 45 rows and 0 of 32"):
        assert encode_start(tmp_path / "start.png", load_streamer(student), 3).shape == (3, 1, 6, 8, 8)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"broken.png: not a readable picture .* allowed: .png"):
        encode_start(tmp_path / "broken.png", load_streamer(student), 1)


@given(st.integers(1, 60), st.integers(1, 60))
@pytest.mark.filterwarnings("ignore:a.png is")
def test_any_shape_covers_the_picture(rows: int, columns: int) -> None:
    made = cropped(torch.full((2, 3, rows, columns), 0.25), 16, 24, "a.png")
    assert made.shape == (2, 3, 16, 24)
    assert torch.allclose(made, torch.tensor(0.25)), "nothing is padded"


def test_the_middle_is_kept_and_the_sides_are_cut() -> None:
    wide = torch.zeros(1, 3, 4, 12)
    wide[..., 4:8] = 1
    with pytest.warns(UserWarning, match="a.png is 4 x 12; videos are 4 x 4, so 0 of 4 rows and 8 of 12 columns"):
        assert torch.equal(cropped(wide, 4, 4, "a.png"), torch.ones(1, 3, 4, 4))


def test_nothing_is_said_of_pictures_that_fit() -> None:
    picture = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(cropped(picture, 8, 12, "a.png"), picture)
    assert cropped(picture, 4, 6, "a.png").shape == (1, 3, 4, 6)
