"""Runs of one process and of several, as the variables of torchrun tell them apart."""

from pathlib import Path

import pytest

from reward_forcing.composition.configuration import ConfigurationError, compose
from reward_forcing.launching import continuation, is_first, processes, require_alone, require_processes

VARIABLES = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "RANK")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_alone_there_is_one_process_and_it_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (processes(), is_first()) == (1, True)
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    assert (processes(), is_first()) == (8, False)


@pytest.mark.parametrize(
    ("overrides", "command"),
    [
        (["trainer.devices=2"], "torchrun --nproc-per-node 2 -m reward_forcing.train trainer.devices=2"),
        (
            ["trainer=sharded", "name=a b"],
            "torchrun --nnodes 8 --nproc-per-node 8 -m reward_forcing.train trainer=sharded 'name=a b'",
        ),
        (
            ["+trainer.num_nodes=3"],
            "torchrun --nnodes 3 --nproc-per-node 1 -m reward_forcing.train +trainer.num_nodes=3",
        ),
    ],
)
def test_a_run_of_several_devices_is_refused_alone_with_the_command(overrides: list[str], command: str) -> None:
    with pytest.raises(ConfigurationError, match="but the number of processes is 1; start one a device: ") as refused:
        require_processes(compose(overrides), overrides)
    assert str(refused.value).endswith(command)


def test_a_run_of_one_device_is_refused_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        ConfigurationError, match=r"number of processes is 2; start one a device: reward-forcing train x=1"
    ):
        require_processes(compose(), ["x=1"])
    require_processes(compose(["trainer.devices=2"]), [])


def test_devices_that_nobody_counted_are_left_to_lightning() -> None:
    for overrides in ([], ["trainer.devices=auto"], ["trainer.devices=-1"]):
        require_processes(compose(overrides), overrides)


@pytest.mark.parametrize(
    ("variables", "launcher"),
    [
        ({}, "reward-forcing train"),
        ({"WORLD_SIZE": "1"}, "reward-forcing train"),
        (
            {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "1"},
            "torchrun --nproc-per-node 2 -m reward_forcing.train",
        ),
        (
            {"WORLD_SIZE": "64", "LOCAL_WORLD_SIZE": "8", "GROUP_WORLD_SIZE": "8"},
            "torchrun --nnodes 8 --nproc-per-node 8 -m reward_forcing.train",
        ),
    ],
)
def test_a_run_is_continued_as_it_was_started(
    variables: dict[str, str], launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    given = ["sink=static", "run_dir=old", "name=a b", "resume=runs/x"]
    assert continuation(given, Path("runs/a")) == f"{launcher} sink=static 'name=a b' run_dir=runs/a resume=auto"


@pytest.mark.parametrize("overrides", [[], ["trainer.devices=4"], ["trainer.devices='2'"]])
def test_jobs_of_a_sweep_may_have_devices_on_this_machine(overrides: list[str]) -> None:
    require_alone(compose(overrides))


@pytest.mark.parametrize(
    ("overrides", "variables", "message"),
    [
        ([], {"WORLD_SIZE": "2"}, r"WORLD_SIZE is 2: a sweep \(-m\) inside torchrun would be done by every process"),
        (["trainer.devices=auto"], {}, r"trainer\.devices is auto; a sweep .* give a number"),
        (["trainer=sharded"], {}, r"trainer\.num_nodes is 8; a job of a sweep .* allowed is 1"),
    ],
)
def test_sweeps_that_cannot_be_started_are_refused(
    overrides: list[str], variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        require_alone(compose(overrides))
