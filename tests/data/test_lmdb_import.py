"""LMDB databases of both forms, written as others write them, come back as shards."""

import sys
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from reward_forcing.data.contents import Batch
from reward_forcing.data.lmdb_import import Database, find_databases, import_lmdb
from reward_forcing.data.order import Pick
from reward_forcing.data.shards import ExistingShards, Shards
from tests.data import folders

ONE = (3, 1, 4, 2, 3, 3)
"""Rows of one state: row, level, frame, channel, height, width."""


def rows(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float16)


def write(path: Path, latents: NDArray[np.float16], *, subdir: bool = True, **changed: bytes) -> None:
    """A database; `changed` replaces values by key, empty ones are left out."""
    values = {
        "latents_shape": " ".join(map(str, latents.shape)).encode(),
        "prompts_shape": str(len(latents)).encode(),
        **{f"latents_{index}_data": row.tobytes() for index, row in enumerate(latents)},
        **{f"prompts_{index}_data": f"prompt {index} ü of {path.name}".encode() for index in range(len(latents))},
        **changed,
    }
    with lmdb.open(str(path), map_size=2**22, subdir=subdir) as environment, environment.begin(write=True) as writing:
        for key, value in values.items():
            if value:
                writing.put(key.encode(), value)


@pytest.mark.parametrize("subdir", [True, False])
def test_trajectories_of_one_database(tmp_path: Path, subdir: bool) -> None:
    latents = rows((3, 5, 4, 2, 3, 3))
    write(tmp_path / "pairs.mdb", latents, subdir=subdir)
    said = import_lmdb(tmp_path / "pairs.mdb", tmp_path / "out")
    assert said == f"{tmp_path / 'out'}: 3 trajectories of 5 states from 1 database"
    shards = Shards(tmp_path / "out")
    for index in range(3):
        np.testing.assert_array_equal(shards.array(index, "states.npy"), latents[index])
        assert shards.text(index) == f"prompt {index} ü of pairs.mdb"
    assert not shards.has("latents.npy")


@pytest.mark.parametrize("shape", [ONE, (ONE[0], *ONE[2:])])
def test_clips_with_and_without_a_leading_axis(tmp_path: Path, shape: tuple[int, ...]) -> None:
    latents = rows(shape)
    write(tmp_path / "clips", latents)
    assert "3 clips from 1 database" in import_lmdb(tmp_path / "clips", tmp_path / "out")
    shards = Shards(tmp_path / "out")
    np.testing.assert_array_equal(shards.array(2, "latents.npy"), latents[2].reshape(4, 2, 3, 3))


def test_a_folder_of_databases_is_one_row_after_the_other(tmp_path: Path) -> None:
    parts = [rows((count, 2, 4, 2, 3, 3), seed=count) for count in (2, 1, 3)]
    (tmp_path / "all").mkdir()
    for number, part in enumerate(parts):
        write(tmp_path / "all" / f"part-{number}", part)
    (tmp_path / "all" / "README").write_text("not a database")
    assert len(find_databases(tmp_path / "all")) == 3
    assert "6 trajectories of 2 states from 3 databases" in import_lmdb(tmp_path / "all", tmp_path / "out")
    shards = Shards(tmp_path / "out")
    stored = np.stack([shards.array(index, "states.npy") for index in range(6)])
    np.testing.assert_array_equal(stored, np.concatenate(parts))
    assert shards.text(5) == "prompt 2 ü of part-2"


def test_a_second_run_does_nothing_and_training_reads_it(tmp_path: Path) -> None:
    write(tmp_path / "clips", rows(ONE))
    first = import_lmdb(tmp_path / "clips", tmp_path / "out")
    (shard,) = (tmp_path / "out").glob("*.tar")
    before = shard.stat().st_mtime_ns
    assert import_lmdb(tmp_path / "clips", tmp_path / "out") == first
    assert shard.stat().st_mtime_ns == before
    content = folders.contents(ExistingShards(str(tmp_path / "out")))["clips"]
    batch: Batch = content.batch([Pick(1, ("test",))])
    assert batch["latents"].shape == (1, 2, 2, 3, 3)


def test_an_interrupted_import_goes_on_with_the_same_database_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second of two shards; a database of the same name and shape has other rows."""
    whole = Database.row

    def interrupted(self: Database, index: int) -> Any:
        if index == 66:
            raise KeyboardInterrupt
        return whole(self, index)

    latents = rows((70, 1, 1, 1, 2, 2))
    write(tmp_path / "clips", latents)
    import_lmdb(tmp_path / "clips", tmp_path / "whole")
    monkeypatch.setattr(Database, "row", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_lmdb(tmp_path / "clips", tmp_path / "out")
    monkeypatch.undo()
    kept = (tmp_path / "out/shard-000000.tar").stat().st_mtime_ns
    (tmp_path / "other").mkdir()
    write(tmp_path / "other/clips", rows((70, 1, 1, 1, 2, 2), seed=1))
    with pytest.raises(ValueError, match="holds other data: origin is"):
        import_lmdb(tmp_path / "other/clips", tmp_path / "out")
    import_lmdb(tmp_path / "clips", tmp_path / "out")
    assert (tmp_path / "out/shard-000000.tar").stat().st_mtime_ns == kept
    for name in ("shard-000000.tar", "shard-000001.tar"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latents_shape": b""}, "has no latents_shape; it is damaged"),
        ({"latents_shape": b"3 many"}, "latents_shape is '3 many'; numbers with spaces between"),
        ({"latents_shape": b"3 4 4"}, r"holds latents \[3, 4, 4\] and 3 prompts; allowed: \[rows"),
        ({"prompts_shape": b"2"}, "and 2 prompts"),
        ({"prompts_1_data": b""}, "has no prompts_1_data"),
        ({"prompts_1_data": b"M\xfcnchen"}, "prompts_1_data is not UTF-8"),
        ({"latents_2_data": b"12"}, r"latents_2_data has 2 bytes; \[1, 4, 2, 3, 3\] in fp16 takes 144"),
    ],
)
def test_damage_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    write(tmp_path / "bad", rows(ONE), **changed)
    with pytest.raises(ValueError, match=message):
        import_lmdb(tmp_path / "bad", tmp_path / "out")


def test_what_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is no database and has none in it; allowed: a folder with data.mdb"):
        import_lmdb(tmp_path, tmp_path / "out")
    (tmp_path / "x.mdb").write_bytes(b"nonsense" * 2000)
    with pytest.raises(ValueError, match=r"x.mdb cannot be opened as a database"):
        import_lmdb(tmp_path / "x.mdb", tmp_path / "out")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ValueError, match="the package `lmdb` is missing; install it: pip install lmdb"):
        import_lmdb(tmp_path / "x.mdb", tmp_path / "out")


def test_databases_of_different_shapes_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    write(tmp_path / "all" / "a", rows(ONE))
    write(tmp_path / "all" / "b", rows((2, 2, *ONE[2:])))
    with pytest.raises(ValueError, match="import them into different folders"):
        import_lmdb(tmp_path / "all", tmp_path / "out")
