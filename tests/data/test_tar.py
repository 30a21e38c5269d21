import tarfile
from pathlib import Path

import numpy as np
import pytest

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
