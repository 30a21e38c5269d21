"""Values that are fine alone but not together."""

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.composition.fitting import GIVES, NEEDS, misfits
from reward_forcing.losses.strategies.additive import Additive
from reward_forcing.losses.strategies.dmd import DMD
from reward_forcing.losses.strategies.sid import SiD
from reward_forcing.rewards.frame_difference import FrameDifference

PACKAGE = Path(__file__).parents[2] / "src" / "reward_forcing"


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    values: dict[str, Any] = plain(compose())
    return values


@pytest.fixture(scope="module")
def lessons() -> dict[str, Any]:
    values: dict[str, Any] = plain(compose(["experiments=toy_teacher"]))
    return values


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(values)
    for key, value in changes.items():
        *way, last = key.split(".")
        node: Any = made
        for name in way:
            node = node[int(name)] if isinstance(node, list) else node[name]
        node[last] = value
    return made


def test_what_is_shipped_fits(usual: dict[str, Any], lessons: dict[str, Any]) -> None:
    assert misfits(usual) == misfits(lessons) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"module.scores.low": 0.99}, "module.scores.low is 0.99; it must not be above module.scores.high (0.98)"),
        ({"data.batch_size": 9, "trainer.devices": 2}, "data.batch_size is 9; it must be a multiple of 2"),
        ({"data.batch_size": 8, "trainer.devices": 2, "trainer.num_nodes": 3}, "a multiple of 6: the number of"),
        (
            {"data.batch_size": 8, "trainer.devices": 8, "trainer.strategy": {"replicas": 3}},
            "trainer.strategy.replicas is 3; it must divide the number of processes (8)",
        ),
        (
            {
                "trainer.strategy": {"_target_": "x.sharding.strategy"},
                "module.student_recipe.optimizer": {"_target_": "x.MuonAdamW"},
            },
            "module.student_recipe.optimizer is MuonAdamW, which trainer.strategy cannot split; allowed: optimizer=",
        ),
        ({"data.content": {"_target_": "x.videos"}}, "data.content gives video; Distillation needs prompts"),
        (
            {"trainer.strategy": {"_target_": "x.sharding.strategy"}, "module.frozen.teacher_linears": "float8"},
            "module.frozen.teacher_linears is 'float8', which trainer.strategy cannot split; allowed: exact, or tr",
        ),
        ({"networks.heads": 7}, "networks.dim is 96; it must be a multiple of networks.heads (7)"),
    ],
)
def test_distillation(usual: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    assert words in misfits(changed(usual, changes))


def test_a_teacher_in_eight_bits_goes_with_losses_that_take_no_gradients_through_it(usual: dict[str, Any]) -> None:
    additive = Additive(reward=FrameDifference(None), strength=1.0)
    written = changed(usual, {"module.frozen.teacher_linears": "int8"})
    told = "module.frozen.teacher_linears is 'int8'; SiD takes gradients through scores; allowed: exact"
    assert misfits(written, SiD(alpha=1.0)) == told
    assert misfits(written, additive) == misfits(written, DMD()) == misfits(written) == ""
    assert misfits(usual, SiD(alpha=1.0)) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"networks.places": 4}, "networks.places is 4; it must be 0 or the tokens of a frame of the geometry (16)"),
        ({"networks.places": 0}, ""),
        ({"data.content.frames": 22}, "data.content.frames is 22; data.content.source.clips.frames is only 21"),
        ({"data.content": {"_target_": "x.Prompts"}}, "Pretraining needs emphasis, latents, prompts: choose"),
        ({"data.content": {"_target_": "somebody.elses"}}, ""),
    ],
)  # fmt: skip
def test_pretraining(lessons: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    said = misfits(changed(lessons, changes))
    assert words in said if words else not said


def test_the_table_knows_what_the_code_reads_and_gives() -> None:
    """Names of batches are those that modules take out of `batch[...]` and contents put into their dictionaries."""
    read: set[str] = set()
    for path in (PACKAGE / "modules").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "batch":
                read.add(ast.literal_eval(node.slice))
    given = {key.value for node in ast.walk(ast.parse((PACKAGE / "data" / "contents.py").read_text()))
             if isinstance(node, ast.Dict) for key in node.keys if isinstance(key, ast.Constant)}  # fmt: skip
    assert read == frozenset().union(*NEEDS.values())
    assert given == frozenset().union(*GIVES.values())
