import gc
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from reward_forcing.data.shards import Shards
from reward_forcing.data.writing import PLAN, Sample, write_shards
from tests.data import folders


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_standard_webdataset_reads_the_shards(tmp_path: Path) -> None:
    folders.write(tmp_path)
    dataset = webdataset.WebDataset(str(tmp_path / "shard-{000000..000002}.tar"), shardshuffle=False).decode()
    samples = list(dataset)
    assert [sample["__key__"] for sample in samples] == [f"{number:08d}" for number in range(7)]
    for expected, sample in zip(folders.numbered(range(7)), samples, strict=True):
        np.testing.assert_array_equal(sample["latents.npy"], expected["latents.npy"])
        assert sample["caption.txt"] == expected["caption.txt"]
        assert sample["state.json"] == expected["state.json"]
    gc.collect()  # webdataset leaves the last file to the garbage collector


class StoppedError(Exception):
    pass


def stopping_at(last: int) -> Any:
    def make(numbers: range) -> Iterator[Sample]:
        for number, sample in zip(numbers, folders.numbered(numbers), strict=True):
            if number == last:
                raise StoppedError
            yield sample

    return make


@pytest.mark.parametrize("last", [0, 2, 3, 6])
def test_an_interrupted_write_is_incomplete_and_goes_on_to_the_same_bytes(tmp_path: Path, last: int) -> None:
    folder, whole = tmp_path / "stopped", tmp_path / "whole"
    options: dict[str, Any] = {"clips": 7, "origin": {"kind": "numbers"}, "clips_per_shard": 3}
    with pytest.raises(StoppedError):
        write_shards(folder, stopping_at(last), **options)
    with pytest.raises(ValueError, match="is incomplete"):
        Shards(folder)
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}
    assert len(done) == last // 3
    write_shards(folder, folders.numbered, **options)
    folders.write(whole)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar") if path.name in done} == done
    contents = [{path.name: path.read_bytes() for path in place.iterdir()} for place in (folder, whole)]
    assert contents[0] == contents[1]


def test_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    first = folders.write(tmp_path)
    assert write_shards(tmp_path, stopping_at(0), clips=7, origin={"kind": "numbers"}) == first


def test_two_writers_at_once_make_one_folder(tmp_path: Path) -> None:
    writers = [threading.Thread(target=folders.write, args=(tmp_path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(Shards(tmp_path)) == 7
    assert not (tmp_path / PLAN).exists()


def test_other_data_are_refused_whether_finished_or_not(tmp_path: Path) -> None:
    folders.write(tmp_path / "finished")
    with pytest.raises(ValueError, match=r"finished holds other data: origin is .*numbers.*, not .*letters"):
        write_shards(tmp_path / "finished", folders.numbered, clips=7, origin={"kind": "letters"})
    with pytest.raises(ValueError, match="clips is 7, not 8"):
        folders.write(tmp_path / "finished", clips=8)
    with pytest.raises(StoppedError):
        write_shards(tmp_path / "stopped", stopping_at(4), clips=7, origin={}, clips_per_shard=3)
    with pytest.raises(ValueError, match="clips_per_shard is 3, not 2"):
        write_shards(tmp_path / "stopped", folders.numbered, clips=7, origin={}, clips_per_shard=2)


def test_strange_tar_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shard-000000.tar").write_bytes(b"precious")
    with pytest.raises(ValueError, match="tar files but no manifest"):
        folders.write(tmp_path)
    assert (tmp_path / "shard-000000.tar").read_bytes() == b"precious"


def samples_of(*samples: Sample) -> Any:
    return lambda numbers: samples[numbers.start : numbers.stop]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([{"a.npy": np.zeros(2)}, {"a.npy": np.zeros(3)}], "sample 1 has fields"),
        ([{"a.npy": np.zeros(2)}, {"a.npy": np.zeros(2, np.float32)}], "sample 1 has fields"),
        ([{"a.npy": np.zeros(2)}, {"b.npy": np.zeros(2)}], "sample 1 has fields"),
        ([{"a.npy": np.array([{}])}], "a.npy is object"),
    ],
)
def test_uneven_samples_are_refused(tmp_path: Path, samples: list[Sample], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_shards(tmp_path, samples_of(*samples), clips=len(samples), origin={})


@pytest.mark.parametrize("name", ["clips", "clips_per_shard"])
def test_numbers_must_be_positive(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"clips": 1, "origin": {}, name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        write_shards(tmp_path, folders.numbered, **options)


def test_arrays_in_column_order_are_stored_in_row_order(tmp_path: Path) -> None:
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    write_shards(tmp_path, samples_of({"a.npy": array}), clips=1, origin={})
    np.testing.assert_array_equal(Shards(tmp_path).array(0, "a.npy", slice(1, 2)), array[1:])


def test_the_manifest_says_what_is_there(tmp_path: Path) -> None:
    folders.write(tmp_path)
    record = json.loads((tmp_path / "manifest.json").read_text())
    assert (record["schema"], record["clips"], record["origin"]) == (1, 7, {"kind": "numbers"})
    assert record["fields"]["latents.npy"] == {"dtype": "float32", "shape": [5, 3]}
    assert [shard["clips"] for shard in record["shards"]] == [3, 3, 1]
    shutil.copytree(tmp_path, tmp_path / "moved", ignore=lambda *_: ["moved"])
    assert len(Shards(tmp_path / "moved")) == 7
