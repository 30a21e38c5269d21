"""Signatures read from source must agree with what Python itself says of the same constructors."""

import ast
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.composition.signatures import accepts, signature_of
from reward_forcing.losses.strategies.re_dmd import ReDMD
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.run_folder import RunSettings
from reward_forcing.shapes import Geometry

CLASSES: list[Any] = [Geometry, EMASink, MemoryPolicy, ReDMD, WanTransformer, RunSettings]


def annotation(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_source_says_what_inspect_says(cls: Any) -> None:
    found = signature_of(f"{cls.__module__}.{cls.__name__}")
    assert found is not None
    expected = inspect.signature(cls).parameters
    assert list(found.parameters) == list(expected)
    for name, parameter in expected.items():
        assert found.parameters[name].required == (parameter.default is inspect.Parameter.empty)


def test_names_imported_by_a_package_are_followed() -> None:
    from torch.optim import AdamW

    found = signature_of("torch.optim.AdamW")
    assert found is not None
    assert list(found.parameters) == list(inspect.signature(AdamW).parameters)
    assert found.parameters["params"].required
    assert not found.parameters["lr"].required


def test_functions_have_signatures_too() -> None:
    found = signature_of("reward_forcing.networks.weights.load")
    assert found is not None
    assert list(found.parameters) == ["source", "sizes", "which", "dtype", "norm_dtype", "checkpointing"]


@pytest.mark.parametrize("target", ["nothing.of.the.kind", "Name", "reward_forcing.memory.nowhere.EMASink"])
def test_a_module_that_is_not_there_is_named(target: str) -> None:
    with pytest.raises(ValueError, match="there is no module"):
        signature_of(target)


def test_a_class_that_is_not_there_comes_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"has no 'EMASinc'; allowed: EMASink"):
        signature_of("reward_forcing.memory.sinks.ema.EMASinc")


def test_what_cannot_be_read_is_left_open() -> None:
    assert signature_of("math.floor") is None


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("int", [0, -3], [0.5, "3", True, None, [1]]),
        ("float", [1, 0.5], ["x", None, False]),
        ("bool", [True, False], [0, 1, "true"]),
        ("str", ["", "x"], [1, None, ["x"]]),
        ("str | Path", ["x"], [1]),
        ("int | None", [None, 2], [2.5, "x"]),
        ("Optional[float]", [None, 2], ["x"]),
        ("Union[int, str]", [1, "x"], [None, 1.5]),
        ('Literal["a", "b"]', ["a", "b"], ["c", 1, None]),
        ("tuple[float, ...]", [[], [1, 2.5]], [["x"], 3, "xy"]),
        ("tuple[float, float]", [[1, 2]], [[1], [1, 2, 3], [1, "x"]]),
        ("Sequence[str]", [["a"], []], ["a", [1]]),
        ("dict[str, int]", [{}, {"a": 1}], [[], 1]),
        ("SinkStrategy", [{"_target_": "x"}, 1, "whatever"], []),
    ],
)
def test_values_against_annotations(text: str, right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert accepts(annotation(text), value), value
    for value in wrong:
        assert not accepts(annotation(text), value), value


def test_a_node_is_no_number() -> None:
    assert not accepts(annotation("float"), {"_target_": "x"})
    assert accepts(annotation("MemoryPolicy | None"), {"_target_": "x"})
    assert accepts(None, object())


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none()))
def test_plain_values_are_accepted_by_exactly_their_own_annotation(value: Any) -> None:
    allowed = {name for name in ("int", "float", "bool", "str", "None") if accepts(annotation(name), value)}
    own = "None" if value is None else type(value).__name__
    assert allowed == ({"int", "float"} if own == "int" else {own})
