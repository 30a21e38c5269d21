"""What can be asked of the command line."""

import pytest

from reward_forcing.cli import main
from reward_forcing.study.command import parser


def test_overrides_may_stand_anywhere() -> None:
    given = parser().parse_intermixed_args(["steps", "--fast", "seed=1", "--jobs", "1", "loss=dmd"])
    assert (given.name, given.overrides, given.fast, given.jobs) == ("steps", ["seed=1", "loss=dmd"], True, 1)


def test_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--list"]) == 0
    said = capsys.readouterr().out
    assert "sink_x_loss: What do the sink and the reward each change" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "study: name one; `reward-forcing study --list` shows all"),
        (["toy_init"], "study 'toy_init' is unknown"),
        (["steps", "--jobs", "0"], "study: jobs is 0; it must be at least 1"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", *words]) == 2
    assert told in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    assert "reward-forcing study sink_x_loss --fast" in capsys.readouterr().out
