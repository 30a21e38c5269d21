"""The arguments of `reward-forcing evaluation`: what is allowed, and that they fit the functions they are given to."""

import inspect
from pathlib import Path

import pytest

from evaluation.commands import ACTIONS
from evaluation.vbench.names import SAMPLES
from evaluation.vbench.official import MODES, Wish
from reward_forcing.arguments import parser
from tests.test_arguments import refused

CALLS = {
    "import": ["FOLDER"],
    "export": ["manifest.jsonl", "FOLDER"],
    "prompts": ["out.jsonl"],
    "official": ["manifest.jsonl", "--python", "python3"],
    "totals": ["FOLDER"],
    "distance": ["real.jsonl", "fake.jsonl"],
    "submit": [
        *["x.json", "--out", "x.zip", "--sampled-by", "us", "--evaluated-by", "us", "--date", "2026-11-26"],
        *["--frames", "81", "--fps", "16", "--height", "480", "--width", "832", "--prompt-set", "vbench/all"],
    ],
}
"""The shortest call of each action."""


def settings(*words: str) -> dict[str, object]:
    given = vars(parser().parse_args(["evaluation", *words]))
    return {name: value for name, value in given.items() if name not in ("command", "action")}


@pytest.mark.parametrize("action", sorted(CALLS))
def test_arguments_are_those_of_the_function(action: str) -> None:
    wanted = inspect.signature(ACTIONS[action]).parameters
    named = {name for name, one in wanted.items() if one.kind is not inspect.Parameter.VAR_KEYWORD} - {"tell"}
    others = settings(action, *CALLS[action]).keys() - named
    assert named <= settings(action, *CALLS[action]).keys()
    assert others <= (set(inspect.signature(Wish).parameters) if action == "official" else set())


def test_what_is_not_asked_for() -> None:
    assert settings("import", "mine") == {
        "folders": [Path("mine")],
        "out": None,
        "cell": "",
        "prompts": None,
        "fps": None,
        "layout": "plain",
        "vbench": None,
    }
    official = settings("official", *CALLS["official"])
    wish = Wish()
    assert (official["samples"], official["mode"], official["device"]) == (SAMPLES, wish.mode, wish.device)
    assert official["seconds"] is wish.seconds


@pytest.mark.parametrize(
    ("words", "path"),
    [(["import", "mine", "--vbench"], "installed"), (["import", "mine", "--vbench", "."], ".")],
)
def test_a_copy_may_be_the_installed_one(words: list[str], path: str) -> None:
    assert settings(*words)["vbench"] == Path(path)


@pytest.mark.parametrize("mode", sorted(MODES))
def test_modes_are_those_of_the_runner(mode: str) -> None:
    assert settings("official", *CALLS["official"], "--mode", mode)["mode"] == mode


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: ACTION"),
        (["paint"], "invalid choice: 'paint'"),
        (["import"], "required: FOLDER"),
        (["distance", "real.jsonl"], "required: fake"),
        (["distance", *CALLS["distance"], "--frames", "many"], "invalid int value: 'many'"),
        (["import", "mine", "--layout", "long"], "invalid choice: 'long'"),
        (["official", "manifest.jsonl"], "required: --python"),
        (["official", *CALLS["official"], "--mode", "category"], "invalid choice: 'category'"),
        (["official", *CALLS["official"], "--timeout", "soon"], "'soon'; write a number"),
        (["submit", "x.json", "--out", "x.zip"], "required: --sampled-by"),
    ],
)
def test_what_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(["evaluation", *words], capsys)
