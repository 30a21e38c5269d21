from pathlib import Path

import pytest

from reward_forcing.composition.places import groups, options
from reward_forcing.training_help import continuation, help_text


def test_every_group_option_and_experiment_is_listed() -> None:
    said = help_text()
    for group in groups():
        assert f"  {group}=" in said
        assert ", ".join(options(group)) in said
    for name, comment in options("experiments").items():
        assert f"experiments={name} " in said
        assert comment in said


def test_lines_fit_a_terminal() -> None:
    assert max(map(len, help_text().splitlines())) <= 140


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
