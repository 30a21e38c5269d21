import io
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.data.manifest import Field
from reward_forcing.data.tar import Member, describe, members, read_array, read_bytes


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    np.save(tmp_path / "array.npy", np.arange(12, dtype=np.int16).reshape(4, 3))
    (tmp_path / "words.txt").write_text("red circle")
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.add(tmp_path / "array.npy", "0001.deep.name.npy")
        tar.add(tmp_path / "words.txt", "0001.caption.txt")
    return tmp_path / "shard.tar"


def test_members_lie_where_they_are_said_to(shard: Path) -> None:
    array, words = members(shard)
    assert (array.key, array.field, words.field) == ("0001", "deep.name.npy", "caption.txt")
    assert read_bytes(shard, words) == b"red circle"
    assert [describe(shard, member) for member in (array, words)] == [Field("int16", (4, 3)), Field("text")]
    rows = read_array(shard, array, slice(1, 3), Field("int16", (4, 3)))
    np.testing.assert_array_equal(rows, [[3, 4, 5], [6, 7, 8]])


def test_what_is_no_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "zip.tar").write_bytes(b"PK" * 1000)
    with pytest.raises(ValueError, match="zip.tar is damaged"):
        list(members(tmp_path / "zip.tar"))
    with pytest.raises(ValueError, match="none.tar is damaged"):
        list(members(tmp_path / "none.tar"))


def test_a_member_beyond_the_end_is_named(shard: Path) -> None:
    with pytest.raises(ValueError, match="it ends within 9.x.txt"):
        read_bytes(shard, Member("9", "x.txt", shard.stat().st_size - 3, 4))


def archive(folder: Path, contents: dict[str, bytes], mode: Literal["w", "w:gz"] = "w") -> Path:
    with tarfile.open(folder / "any.tar", mode) as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return folder / "any.tar"


def stored(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@given(st.dictionaries(st.from_regex(r"[0-9]{1,6}\.[a-z]{1,5}\.txt", fullmatch=True), st.binary(max_size=1200)))
def test_every_member_is_found_and_read_alone(contents: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder), contents)
        found = {f"{member.key}.{member.field}": read_bytes(path, member) for member in members(path)}
    assert list(found.items()) == list(contents.items())


@given(
    st.sampled_from(["float16", "float32", "int64", "uint8", "bool"]),
    st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_rows_are_those_of_numpy(dtype: str, shape: tuple[int, ...], start: int | None, count: int | None) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    begin = slice(start, None).indices(shape[0])[0]
    rows = slice(start, None if count is None else begin + count)
    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder), {"1.before.txt": b"?", "1.a.npy": stored(array), "1.after.npy": stored(array + 1)})
        member = list(members(path))[1]
        read = read_array(path, member, rows, describe(path, member))
    np.testing.assert_array_equal(read, array[rows], strict=True)


def test_what_an_array_is_not(tmp_path: Path) -> None:
    array = np.zeros((2, 3), np.float32)
    path = archive(
        tmp_path, {"7.a.npy": stored(array), "7.b.npy": b"text", "7.c.npy": stored(np.asfortranarray(array))}
    )
    good, words, by_columns = members(path)
    for wrong in (Field("float32", (3, 2)), Field("float16", (2, 3)), Field("text")):
        with pytest.raises(ValueError, match=r"7\.a\.npy is float32 \(2, 3\), not as in manifest\.json"):
            read_array(path, good, slice(None), wrong)
    with pytest.raises(ValueError, match=r"7\.b\.npy is no \.npy array\); delete the folder .* and write it again"):
        describe(path, words)
    with pytest.raises(ValueError, match=r"7\.c\.npy is no plain array in C order"):
        describe(path, by_columns)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = archive(tmp_path, {"7.a.npy": stored(np.array([{}, None], dtype=object))})
    (member,) = members(path)
    with pytest.raises(ValueError, match=r"7\.a\.npy is no plain array"):
        read_array(path, member, slice(None), Field("object", (2,)))


def test_an_array_that_is_cut_off_still_gives_its_first_rows(shard: Path) -> None:
    array, _ = members(shard)
    held = Field("int16", (4, 3))
    shard.write_bytes(shard.read_bytes()[: array.offset + array.size - 1])
    np.testing.assert_array_equal(read_array(shard, array, slice(0, 3), held), np.arange(9).reshape(3, 3))
    with pytest.raises(ValueError, match=r"it ends within 0001\.deep\.name\.npy"):
        read_array(shard, array, slice(3, 4), held)


def test_only_plain_tars_are_read(tmp_path: Path) -> None:
    path = archive(tmp_path, {"1.meta.json": b"{}"})
    assert [describe(path, member) for member in members(path)] == [Field("json")]
    with pytest.raises(ValueError, match=r"any\.tar is damaged"):
        list(members(archive(tmp_path, {"1.meta.json": b"{}"}, "w:gz")))


@pytest.mark.parametrize("rows", [slice(2, 1), slice(4, 9), slice(0, 0), slice(3, -4)])
def test_no_rows_are_none(shard: Path, rows: slice) -> None:
    array, _ = members(shard)
    assert read_array(shard, array, rows, Field("int16", (4, 3))).shape == (0, 3)
