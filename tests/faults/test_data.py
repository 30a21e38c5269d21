"""Faults while training data are read: real files that change, real loader processes that die."""

import itertools
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from reward_forcing.data.commands import make_shards
from reward_forcing.data.contents import Batch, ShardContent, videos
from reward_forcing.data.order import Pick
from reward_forcing.data.shards import ExistingShards
from reward_forcing.data.training_data import TrainingData
from reward_forcing.refusals import BROKEN, REFUSED, explained

pytestmark = pytest.mark.filterwarnings("ignore")
TAR = "shard-000000.tar"


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Path, ShardContent]:
    """A folder of shards, and what reads it; the shards are open already."""
    make_shards(tmp_path / "shards", clips=3, frames=4)
    content = videos(source=ExistingShards(str(tmp_path / "shards")))
    assert len(content) == 3
    return tmp_path / "shards" / TAR, content


PICKS = [Pick(item, (item,)) for item in range(3)]


def test_a_shard_that_shrinks_is_named(opened: tuple[Path, ShardContent]) -> None:
    tar, content = opened
    os.truncate(tar, 3000)
    with pytest.raises(ValueError, match=rf"shards: .*{TAR} is damaged \(.*\); delete the folder"):
        content.batch(PICKS)


def test_a_shard_that_vanishes_is_named(opened: tuple[Path, ShardContent]) -> None:
    tar, content = opened
    tar.unlink()
    with pytest.raises(FileNotFoundError) as error:
        content.batch(PICKS)
    told = explained(error.value)
    assert told is not None
    assert told == (REFUSED, f"{tar}: No such file or directory; allowed: a place that this user may read and write")


def test_a_shard_with_other_bytes_is_named(opened: tuple[Path, ShardContent]) -> None:
    tar, content = opened
    header = content.shards._places[1][1]["video.npy"].offset
    with tar.open("r+b") as file:
        file.seek(header)
        file.write(b"\xff" * 64)
    with pytest.raises(ValueError, match=rf"{TAR} is damaged \(00000001.video.npy is no .npy array\)"):
        content.batch(PICKS)


@dataclass(frozen=True)
class Deadly:
    """A content whose second batch kills the process that makes it, or fails in it."""

    kill: bool

    def prepare(self) -> None:
        """Nothing is missing."""

    def __len__(self) -> int:
        return 4

    def batch(self, picks: Sequence[Pick]) -> Batch:
        first = picks[0].key[-1]
        if first != 0 and self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if first != 0:
            raise ValueError("shards: a.tar is damaged (it ends)")
        return {"prompts": [str(pick.item) for pick in picks]}


def drain(kill: bool) -> Exception:
    data = TrainingData(content=Deadly(kill), batch_size=2, seed=0, workers=1)
    loader = iter(data.train_dataloader())
    with pytest.raises((RuntimeError, ValueError)) as error:
        list(itertools.islice(loader, 3))
    return error.value


def test_a_loader_process_that_is_killed() -> None:
    told = explained(drain(kill=True))
    assert told is not None
    assert told[0] == BROKEN
    assert "DataLoader worker" in told[1]
    assert "data.workers=0" in told[1]


def test_what_a_loader_process_refuses_is_told_without_its_traceback() -> None:
    assert explained(drain(kill=False)) == (REFUSED, "shards: a.tar is damaged (it ends)")
