"""Checkpoints in parts: real ones are taken, those that would run code are refused before it runs."""

import dataclasses
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from reward_forcing.modules.sharded_checkpoints import INDEX, require_plain

pytestmark = pytest.mark.filterwarnings("ignore")


class Touches:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def state(**more: Any) -> dict[str, Any]:
    """What a training's checkpoint holds, in small."""
    groups = [{"lr": 1e-3, "betas": (0.9, 0.95), "foreach": None, "decoupled": True, "params": ["a.weight"]}]
    return {
        "weights": {"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(2, dtype=torch.bfloat16)},
        "optimizer": {"param_groups": groups, "step": torch.tensor(3.0)},
        **more,
    }


def saved(folder: Path, **more: Any) -> Path:
    save(state(**more), checkpoint_id=folder)
    return folder


def changed(folder: Path, change: Callable[[Metadata], object]) -> Path:
    """A checkpoint with another index."""
    path = saved(folder) / INDEX
    path.write_bytes(pickle.dumps(change(pickle.loads(path.read_bytes()))))
    return folder


def test_real_checkpoints_are_taken_and_not_changed(tmp_path: Path) -> None:
    path = saved(tmp_path / "step=1.ckpt")
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    require_plain(path)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_single_files_are_taken_where_they_are_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(2)}, "global_step": 3, "callbacks": {}}, path)
    require_plain(path)
    for held, words in (([1], "it has no 'state_dict'"), ({"state_dict": {}}, "it has no 'global_step'")):
        torch.save(held, path)
        with pytest.raises(ValueError, match=rf"a\.ckpt cannot be read as a checkpoint \({words}\)"):
            require_plain(path)
    torch.save({"state_dict": {}, "global_step": Touches(tmp_path / "sign")}, path)
    with pytest.raises(ValueError, match="which are never loaded: they could run code"):
        require_plain(path)
    assert not (tmp_path / "sign").exists()


def test_code_in_the_index_does_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    path = changed(tmp_path / "a.ckpt", lambda index: dataclasses.replace(index, planner_data=Touches(sign)))
    with pytest.raises(ValueError, match=r"a\.ckpt cannot be read .* \(it holds \w+\.mkdir, which is never loaded"):
        require_plain(path)
    assert not sign.exists()
    load(state(), checkpoint_id=path)
    assert sign.exists(), "torch itself would have run it"


def test_code_in_an_entry_does_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    path = saved(tmp_path / "a.ckpt", loops=Touches(sign))
    with pytest.raises(ValueError, match=r"a\.ckpt cannot be read as a checkpoint"):
        require_plain(path)
    assert not sign.exists()
    load(state(loops=0), checkpoint_id=path)
    assert sign.exists(), "torch itself would have run it"


def test_names_inside_of_known_modules_are_not_taken(tmp_path: Path) -> None:
    """`os.system` is in reach of `torch.distributed.checkpoint.metadata`, which imports `os`."""
    path = saved(tmp_path / "a.ckpt")
    call = b"\x80\x04\x8c\x25torch.distributed.checkpoint.metadata\x8c\x08os.mkdir\x93\x8c\x04sign\x85R."
    (path / INDEX).write_bytes(call)
    with pytest.raises(ValueError, match=r"it holds torch\.distributed\.checkpoint\.metadata\.os\.mkdir, which"):
        require_plain(path)


def elsewhere(index: Metadata) -> Metadata:
    places = {key: dataclasses.replace(place, relative_path="../x") for key, place in index.storage_data.items()}
    return dataclasses.replace(index, storage_data=places)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (elsewhere, r"a part is '\.\./x'; it must be a file of the folder"),
        (lambda index: dataclasses.replace(index, state_dict_metadata={}), "weights.a|optimizer"),
        (lambda _: ["no index"], r"\.metadata holds a list"),
    ],
)
def test_a_wrong_index_is_told(change: Callable[[Metadata], object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        require_plain(changed(tmp_path / "a.ckpt", change))


def test_parts_that_are_missing_or_cut_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    (part,) = path.glob("*.distcp")
    os.truncate(part, 100)
    with pytest.raises(ValueError, match=r"a\.ckpt cannot be read"):
        require_plain(path)
    part.unlink()
    with pytest.raises(ValueError, match="No such file"):
        require_plain(path)


@pytest.mark.parametrize("length", [0, 1, 50, 500])
def test_an_index_that_is_cut_is_told(length: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    os.truncate(path / INDEX, length)
    with pytest.raises(ValueError, match=r"a\.ckpt cannot be read"):
        require_plain(path)
