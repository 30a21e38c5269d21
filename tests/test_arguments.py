"""What the command line promises before anything is computed."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.arguments import COMMANDS, parser
from reward_forcing.cli import OWN_PARSERS

STUDENT = ["generate", "student.safetensors", "--prompts", "a"]


def subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, and theirs."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[name] = command
                found |= {f"{name} {inner}": sub for inner, sub in subparsers(command).items()}
    return found


ALL = subparsers(parser())


def examples(command: argparse.ArgumentParser) -> list[list[str]]:
    lines = re.findall(r"^ +reward-forcing (.+)$", command.epilog or "", re.MULTILINE)
    return [shlex.split(re.sub(r"\(.*\)$", "", line).strip()) for line in lines]


EXAMPLES = [words for command in ALL.values() for words in examples(command) if words[0] != "train"]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(words)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_every_command_is_there() -> None:
    assert set(COMMANDS) <= set(ALL)
    assert all(parser().format_help().count(name) for name in COMMANDS)


@pytest.mark.parametrize("words", EXAMPLES, ids=" ".join)
def test_examples_in_the_help_are_understood(words: list[str]) -> None:
    assert parser().parse_args(words).command == words[0]


def test_commands_that_do_something_have_examples() -> None:
    without = [name for name in set(COMMANDS) - set(OWN_PARSERS) if not examples(ALL[name])]
    assert not without


@pytest.mark.parametrize("name", sorted(set(ALL) - {"train"}))
def test_every_option_says_what_it_is(name: str) -> None:
    for action in ALL[name]._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{name}: {action.dest}"
    ALL[name].format_help()  # raises where a help text cannot be formatted


@pytest.mark.parametrize("name", sorted(set(ALL) - {"train"}))
def test_defaults_that_mean_something_are_shown(name: str) -> None:
    """Flags and options whose default is nothing need not say so."""
    for action in ALL[name]._actions:
        plain = isinstance(action.default, int | float | str | Path) and not isinstance(action.default, bool)
        if plain and action.option_strings and action.default not in ("", argparse.SUPPRESS):
            assert "default" in str(action.help), f"{name}: {action.dest} = {action.default!r}"


@pytest.mark.parametrize(("text", "frames"), [("inf", None), ("1", 1), ("240", 240)])
def test_lengths(text: str, frames: int | None) -> None:
    assert parser().parse_args([*STUDENT, "--frames", text]).frames == frames


@pytest.mark.parametrize(
    ("text", "place", "prompt"),
    [
        ("60:a red fox", 60, "a red fox"),
        ("5s:a red fox", 5.0, "a red fox"),
        ("2.5s: now: a fox ", 2.5, "now: a fox"),
        ("0.25s:x", 0.25, "x"),
    ],
)
def test_switches_by_frame_and_by_second(text: str, place: float, prompt: str) -> None:
    ((at, words),) = parser().parse_args([*STUDENT, "--switch", text]).switch
    assert (at, words) == (place, prompt)
    assert type(at) is type(place), "frames are whole numbers, seconds are not"


@pytest.mark.parametrize("text", ["60", "a red fox", ":a", "60:", "60: ", "-3:a", "xs:a", "1.5:a", "s:a", "-1s:a"])
def test_switches_that_cannot_be_read(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused([*STUDENT, f"--switch={text}"], capsys)
    assert "write FRAME:PROMPT or SECONDSs:PROMPT, for instance 5s:a red fox" in told
    assert repr(text) in told


@pytest.mark.parametrize("text", ["many", "1.5", "", "10s"])
def test_lengths_that_cannot_be_read(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{text!r}; write a number of video frames, or inf" in refused([*STUDENT, f"--frames={text}"], capsys)


def test_several_switches_and_settings_add_up() -> None:
    given = parser().parse_args([*STUDENT, "--switch", "3:a", "--switch", "6:b", "--set", "a.b=1", "--set", "c=d"])
    assert dict(given.switch) == {3: "a", 6: "b"}
    assert given.overrides == ["a.b=1", "c=d"]
    untouched = parser().parse_args(STUDENT)
    assert untouched.switch == []
    assert untouched.overrides == []


def test_defaults_of_generating() -> None:
    given = vars(parser().parse_args(STUDENT))
    expected: dict[str, Any] = {
        "frames": 120,
        "seconds": None,
        "seeds": [0],
        "sink": [None],
        "on_switch": "cross_only",
        "start": None,
        "fps": 0,
        "format": None,
        "codec": None,
        "dtype": None,
        "device": "auto",
        "teacher": False,
    }
    assert {key: given[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ([*STUDENT, "--on-switch", "forget"], ["cross_only", "recache", "reset"]),
        ([*STUDENT, "--dtype", "float8"], ["float32", "bfloat16"]),
        ([*STUDENT, "--format", "avi"], ["mkv", "mp4"]),
        ([*STUDENT, "--device", "tpu"], ["auto", "cpu", "cuda"]),
        (["convert", "a.pt", "b", "--layout", "theirs"], ["ours", "official", "diffusers"]),
        (["convert", "a.pt", "b", "--dtype", "int8"], ["float32", "bfloat16", "float16"]),
        (["data", "mak"], ["make", "encode", "inspect", "embed"]),
    ],
)
def test_wrong_choices_name_the_allowed_ones(
    words: list[str], allowed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(words, capsys)
    assert all(name in told for name in allowed)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["generate"], "export"),
        (["generate", "a.safetensors"], "--prompts"),
        (["convert", "a.pt"], "target"),
        (["evaluate"], "manifest"),
        (["report"], "RUN"),
        (["data"], "ACTION"),
        (["data", "make"], "folder"),
        (["data", "encode", "a", "b"], "--codec"),
        (["data", "embed"], "TEXT|FILE"),
    ],
)
def test_what_is_missing_is_named(words: list[str], missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert missing in refused(words, capsys)


def test_conversion_keeps_precision_small_by_default() -> None:
    given = parser().parse_args(["convert", "lab/wan:transformer", "out.safetensors"])
    assert (given.source, given.target) == ("lab/wan:transformer", Path("out.safetensors"))
    assert (given.layout, given.dtype, given.which, given.heads) == ("ours", "bfloat16", None, None)
