from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reward_forcing.codecs.toy_codec import save_codec
from reward_forcing.data.commands import encode_shards, inspect_shards, make_shards
from reward_forcing.data.shards import Shards
from reward_forcing.data.writing import write_shards
from tests.data import folders


@pytest.fixture
def codec(tmp_path: Path) -> Path:
    path = tmp_path / "codec.safetensors"
    save_codec(path, folders.codec(), {})
    return path


def test_making_and_encoding_equals_making_encoded(tmp_path: Path, codec: Path) -> None:
    make_shards(tmp_path / "pixels", clips=3, frames=4, seed=2)
    encode_shards(tmp_path / "pixels", tmp_path / "two", codec=codec)
    report = make_shards(tmp_path / "one", clips=3, frames=4, seed=2, codec=codec, pixels=False)
    one, two = Shards(tmp_path / "one"), Shards(tmp_path / "two")
    assert one.manifest.fields == two.manifest.fields
    assert one.manifest.origin == two.manifest.origin
    for clip in range(3):
        np.testing.assert_allclose(one.array(clip, "latents.npy"), two.array(clip, "latents.npy"), rtol=2e-3, atol=2e-3)
        np.testing.assert_array_equal(one.array(clip, "emphasis.npy"), two.array(clip, "emphasis.npy"))
        assert (one.text(clip), one.record(clip)) == (two.text(clip), two.record(clip))
    assert "3 clips, 1 shard files" in report
    assert "latents.npy: float16 [4, 2, 8, 8]" in report


def test_pixels_are_kept_on_demand(tmp_path: Path, codec: Path) -> None:
    make_shards(tmp_path / "pixels", clips=2, frames=2)
    encode_shards(tmp_path / "pixels", tmp_path / "both", codec=codec, keep_pixels=True)
    fields = Shards(tmp_path / "both").manifest.fields
    assert set(fields) == {"caption.txt", "emphasis.npy", "latents.npy", "state.json", "video.npy"}


def test_latents_cannot_be_encoded_again(tmp_path: Path, codec: Path) -> None:
    make_shards(tmp_path / "latents", clips=1, frames=2, codec=codec, pixels=False)
    with pytest.raises(ValueError, match=r"have no video.npy; they have"):
        encode_shards(tmp_path / "latents", tmp_path / "again", codec=codec)


def test_inspecting_tells_captions_and_draws_clips(tmp_path: Path) -> None:
    make_shards(tmp_path / "toy", clips=5, frames=10)
    text = inspect_shards(tmp_path / "toy", picture=tmp_path / "sheet.png", clips=3, verify=True)
    shards = Shards(tmp_path / "toy")
    for clip in (0, 2, 4):
        assert f"clip {clip}: {shards.text(clip)}" in text
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert picture.shape[1] >= 8 * 3 * 32
    top = picture.shape[0] // 3 - 3 * 32
    first = shards.array(0, "video.npy", slice(0, 1))[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(picture[top : top + 96 : 3, 0:96:3], first)


def test_pictures_without_pixels_are_rendered_from_the_states(tmp_path: Path, codec: Path) -> None:
    for name, pixels in (("with", True), ("without", False)):
        make_shards(tmp_path / name, clips=2, frames=3, codec=codec, pixels=pixels)
        inspect_shards(tmp_path / name, picture=tmp_path / f"{name}.png")
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()


def test_nothing_to_draw_and_damage_are_errors(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", lambda _: [{"latents.npy": np.zeros((1, 2))}], clips=1, origin={})
    assert "latents.npy: float64 [1, 2]" in inspect_shards(tmp_path / "a")
    with pytest.raises(ValueError, match="have no state.json"):
        inspect_shards(tmp_path / "a", picture=tmp_path / "a.png")
    with pytest.raises(ValueError, match="is not a folder"):
        inspect_shards(tmp_path / "none")
