import pickle
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from reward_forcing.data.contents import Batch, Content, Prompts, clips
from reward_forcing.data.shards import ExistingShards
from reward_forcing.data.toy import ToyShards
from reward_forcing.data.training_data import Steps, TrainingData
from reward_forcing.data.writing import write_shards
from tests.data import folders

WORDS = tuple(f"prompt {number}" for number in range(7))

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*many workers",
    "ignore:This DataLoader will create",
    "ignore:Checkpoint directory",
    "ignore:Using ModelCheckpoint with manual",
)


def data(workers: int = 0, batch_size: int = 3) -> TrainingData:
    return TrainingData(content=Prompts(WORDS), batch_size=batch_size, seed=5, workers=workers)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("first", [0, 4])
def test_the_loader_gives_the_batches_of_the_steps_for_any_number_of_workers(workers: int, first: int) -> None:
    module = data(workers)
    loader: Any = torch.utils.data.DataLoader(
        Steps(module.content, module.order(), first), batch_size=None, num_workers=workers
    )
    expected = [module.batch_at(step) for step in range(first, first + 10)]
    assert list(islice(loader, 10)) == expected


def test_clips_are_the_same_through_workers(tmp_path: Path) -> None:
    content = clips(source=ToyShards(str(tmp_path), folders.toy_clips()), frames=2, sprite_gain=1.0)
    batches = []
    for workers in (0, 2):
        module = TrainingData(content=content, batch_size=2, seed=0, workers=workers)
        module.prepare_data()
        batches.append(list(islice(module.train_dataloader(), 4)))
    for alone, shared in zip(*batches, strict=True):
        assert alone["prompts"] == shared["prompts"]
        assert torch.equal(alone["latents"], shared["latents"])
        assert torch.equal(alone["emphasis"], shared["emphasis"])


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Content]:
    folder = tmp_path_factory.mktemp("everything")
    write_shards(folder, folders.everything, clips=5, origin={}, clips_per_shard=2)
    return folders.contents(ExistingShards(str(folder)))


def same(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) if isinstance(value, Tensor) else value == other[name]
        for name, value in one.items()
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["clips", "videos", "pairs", "prompts"])
def test_a_resumed_loader_goes_on_exactly_within_any_round(kinds: dict[str, Content], kind: str, workers: int) -> None:
    """Seven batches of two out of five items: the third round has begun; from every step on, the tail is the same."""
    module = TrainingData(content=kinds[kind], batch_size=2, seed=3, workers=workers)
    whole = [module.batch_at(step) for step in range(7)]
    assert not same(whole[0], whole[1])
    for first in (0, 1, 2, 5) if workers == 0 else (3,):
        loader: Any = torch.utils.data.DataLoader(
            Steps(module.content, module.order(), first), batch_size=None, num_workers=workers
        )
        tail = list(islice(loader, 7 - first))
        assert len(tail) == 7 - first
        assert all(map(same, tail, whole[first:]))


@settings(max_examples=15)
@given(
    first=st.integers(0, 30), batch=st.integers(1, 7), seed=st.integers(0, 9), kind=st.sampled_from(["clips", "pairs"])
)
def test_any_step_can_be_the_first(kinds: dict[str, Content], first: int, batch: int, seed: int, kind: str) -> None:
    module = TrainingData(content=kinds[kind], batch_size=batch, seed=seed)
    tail = iter(Steps(module.content, module.order(), first))
    assert all(same(next(tail), module.batch_at(step)) for step in range(first, first + 3))


def test_what_workers_need_survives_the_journey_to_a_spawned_process(tmp_path: Path) -> None:
    content = clips(source=ToyShards(str(tmp_path), folders.toy_clips()))
    module = TrainingData(content=content, batch_size=2, seed=0)
    module.prepare_data()
    steps = Steps(content, module.order(), 3)
    there = pickle.loads(pickle.dumps(steps))
    assert torch.equal(next(iter(there))["latents"], next(iter(steps))["latents"])


def test_two_ranks_together_see_what_one_sees() -> None:
    module = data(batch_size=4)
    for step in range(6):
        parts = [module.batch_at(step, rank, 2)["prompts"] for rank in range(2)]
        assert [len(part) for part in parts] == [2, 2]
        assert parts[0] + parts[1] == module.batch_at(step)["prompts"]


class Recorder(LightningModule):
    """Remembers the prompts of every step; `dies_at` stands for a killed training."""

    def __init__(self, dies_at: int | None = None, *, manual: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.weight = nn.Parameter(torch.ones(()))
        self.dies_at, self.seen = dies_at, list[list[str]]()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 (Lightning's name)
        if self.global_step == self.dies_at:
            raise KeyboardInterrupt
        self.seen.append(batch["prompts"])
        loss = self.weight * len(batch["prompts"])
        if not self.automatic_optimization:
            optimizer: Any = self.optimizers()
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def train(module: Recorder, folder: Path, steps: int, *, workers: int = 0, resume: bool = False) -> list[list[str]]:
    trainer = Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ModelCheckpoint(folder, save_last=True, every_n_train_steps=1)],
    )
    trainer.fit(module, data(workers), ckpt_path=str(folder / "last.ckpt") if resume else None, weights_only=False)
    return module.seen


@pytest.mark.parametrize(("workers", "manual"), [(0, False), (0, True), (2, True)])
def test_a_killed_training_goes_on_with_the_batch_it_died_in(tmp_path: Path, workers: int, manual: bool) -> None:
    expected = [data().batch_at(step)["prompts"] for step in range(9)]
    killed = Recorder(dies_at=4, manual=manual)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        train(killed, tmp_path, 9, workers=workers)
    resumed = Recorder(manual=manual)
    train(resumed, tmp_path, 9, workers=workers, resume=True)
    assert killed.seen == expected[:4]
    assert resumed.seen == expected[4:]


def test_a_longer_training_continues_a_finished_one(tmp_path: Path) -> None:
    first = train(Recorder(), tmp_path, 5)
    second = train(Recorder(), tmp_path, 8, resume=True)
    assert first + second == [data().batch_at(step)["prompts"] for step in range(8)]


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("workers", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    options: dict[str, Any] = {"content": Prompts(WORDS), "batch_size": 1, "seed": 0, name: value}
    with pytest.raises(ValueError, match=f"data.{name} is {value}"):
        TrainingData(**options)
