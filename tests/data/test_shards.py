from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.data.shards import ExistingShards, Shards
from tests.data import folders

SHARD = "shard-000001.tar"


def test_any_sample_at_any_time(tmp_path: Path) -> None:
    folders.write(tmp_path)
    shards = Shards(tmp_path)
    expected = list(folders.numbered(range(7)))
    for clip in (6, 0, 3, 3):
        np.testing.assert_array_equal(shards.array(clip, "latents.npy"), expected[clip]["latents.npy"])
        assert shards.text(clip) == expected[clip]["caption.txt"]
        assert shards.record(clip) == expected[clip]["state.json"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("shards")
    folders.write(folder)
    return Shards(folder)


@given(start=st.integers(0, 5), stop=st.integers(0, 9), clip=st.integers(0, 6))
def test_rows_are_a_slice_of_the_array(opened: Shards, start: int, stop: int, clip: int) -> None:
    stop = max(start, stop)
    whole = opened.array(clip, "latents.npy")
    np.testing.assert_array_equal(opened.array(clip, "latents.npy", slice(start, stop)), whole[start:stop])


def test_an_unknown_field_is_named_with_the_known_ones(tmp_path: Path) -> None:
    folders.write(tmp_path)
    with pytest.raises(ValueError, match=r"have no video.npy; they have caption.txt, latents.npy, state.json"):
        Shards(tmp_path).array(0, "video.npy")


def test_missing_shards_are_named(tmp_path: Path) -> None:
    folders.write(tmp_path)
    (tmp_path / SHARD).unlink()
    with pytest.raises(ValueError, match=rf"{SHARD} is damaged \(it is missing\); delete the folder"):
        Shards(tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 1000, -1])
def test_truncated_shards_are_named(tmp_path: Path, kept: int) -> None:
    folders.write(tmp_path)
    content = (tmp_path / SHARD).read_bytes()
    (tmp_path / SHARD).write_bytes(content[:kept])
    with pytest.raises(ValueError, match=rf"{SHARD} is damaged \(it has {len(content[:kept])} of {len(content)} bytes"):
        Shards(tmp_path)


def overwrite(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))


def test_garbage_of_the_right_size_is_named(tmp_path: Path) -> None:
    folders.write(tmp_path)
    (tmp_path / SHARD).write_bytes(b"?" * (tmp_path / SHARD).stat().st_size)
    with pytest.raises(ValueError, match=rf"{SHARD} is damaged"):
        Shards(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\x93NUMPY", b"\x93BROKE", "no .npy array"),
        (b"'descr': '<f4'", b"'descr': '<i4'", "int32 .* not as in manifest.json"),
        (b"'shape': (5, 3)", b"'shape': (3, 5)", "float32 .* not as in manifest.json"),
        (b"'fortran_order': False", b"'fortran_order': True ", "no plain array in C order"),
    ],
)
def test_arrays_other_than_promised_are_named(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    folders.write(tmp_path)
    overwrite(tmp_path / SHARD, old, new)
    shards = Shards(tmp_path)
    with pytest.raises(ValueError, match=rf"{SHARD} is damaged \(00000003.latents.npy is {message}"):
        shards.array(3, "latents.npy")


def test_a_shard_that_shrinks_while_it_is_read_is_named(tmp_path: Path) -> None:
    folders.write(tmp_path)
    shards = Shards(tmp_path)
    content = (tmp_path / SHARD).read_bytes()
    (tmp_path / SHARD).write_bytes(content[: content.index(b"\x93NUMPY") + 130])
    with pytest.raises(ValueError, match="it ends within 00000003.latents.npy"):
        shards.array(3, "latents.npy")
    with pytest.raises(ValueError, match="it ends within 00000004.caption.txt"):
        shards.text(4)


def test_one_flipped_number_is_found_by_verifying(tmp_path: Path) -> None:
    folders.write(tmp_path)
    Shards(tmp_path).verify()
    overwrite(tmp_path / SHARD, b"clip 3", b"clip 9")
    with pytest.raises(ValueError, match=rf"{SHARD} is damaged \(its SHA-256"):
        Shards(tmp_path).verify()


def test_a_lost_sample_or_field_is_named(tmp_path: Path) -> None:
    folders.write(tmp_path)
    overwrite(tmp_path / "manifest.json", b'"clips": 7', b'"clips": 8')
    with pytest.raises(ValueError, match="7 of 8 clips"):
        Shards(tmp_path)
    overwrite(tmp_path / "manifest.json", b'"clips": 8', b'"clips": 7')
    overwrite(tmp_path / "manifest.json", b"caption.txt", b"caption.nix")
    with pytest.raises(ValueError, match="sample 00000000 has fields"):
        Shards(tmp_path)


def test_an_existing_folder_is_checked_when_prepared(tmp_path: Path) -> None:
    source = ExistingShards(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        source.prepare()
    folders.write(source.folder)
    source.prepare()
    assert len(Shards(source.folder)) == 7
