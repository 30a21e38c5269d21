"""What `reward-forcing benchmark` understands."""

from pathlib import Path
from typing import Any

import pytest

from reward_forcing.arguments import parser
from reward_forcing.benchmark_arguments import SCOPES


def parsed(*words: str) -> dict[str, Any]:
    return vars(parser().parse_args(["benchmark", *words]))


def test_nothing_need_be_said() -> None:
    expected: dict[str, Any] = {
        "export": None,
        "stream": [],
        "sink": [None],
        "decay": None,
        "window": None,
        "prompt": None,
        "seed": 0,
        "chunks": 30,
        "repeats": 3,
        "warmups": 1,
        "scope": ["denoiser", "codec", "end_to_end"],
        "playback": None,
        "buffer": 0.0,
        "device": "auto",
        "dtype": None,
        "codec": None,
        "overrides": [],
        "out": Path("runs/benchmark"),
        "against": [],
        "force": False,
    }
    given = parsed()
    assert {key: given[key] for key in expected} == expected


def test_several_ways_streams_and_earlier_results() -> None:
    given = parsed("s.safetensors", "--sink", "none", "ema", "--stream", "a:b", "c.d:e", "--against", "x.json", "y")
    assert given["export"] == "s.safetensors"
    assert given["sink"] == ["none", "ema"]
    assert given["stream"] == ["a:b", "c.d:e"]
    assert given["against"] == [Path("x.json"), Path("y")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scope", "all"], "invalid choice: 'all'"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--chunks", "many"], "invalid int value: 'many'"),
        (["a", "b"], "unrecognized arguments: b"),
    ],
)
def test_wrong_words_end_with_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parsed(*words)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_scopes_are_those_that_are_measured() -> None:
    from evaluation.speed.runs import SCOPES as MEASURED

    assert tuple(MEASURED) == SCOPES
