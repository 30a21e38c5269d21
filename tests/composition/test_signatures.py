"""Signatures read from source must agree with what Python itself says of the same constructors."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.composition.signatures import Parameter, accepts, signature_of
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
    assert list(found.parameters) == ["source", "sizes", "which", "dtype", "norm_dtype", "checkpointing", "compiled"]


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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of one's own, which fails when it is imported."""
    folder = tmp_path / "someones_package"
    (folder / "inner").mkdir(parents=True)
    bomb = "raise RuntimeError('imported')\n"
    (folder / "__init__.py").write_text(f"from .parts import Part as Piece, Gone\nfrom .inner import deep\n{bomb}")
    (folder / "inner/__init__.py").write_text(f"from ..parts import deep\nfrom . import parts\n{bomb}")
    (folder / "parts.py").write_text(
        bomb
        + "class Part:\n    def __init__(self, a, /, b: int = 1, *, c: str, d=None, **rest): ...\n"
        + "class Empty: ...\nclass Child(Part): ...\n"
        + "@dataclass(frozen=True)\nclass Value:\n    x: int\n    y: list[int] = field(default_factory=list)\n"
        + "    @property\n    def z(self): ...\n"
        + "def deep(p, q=2, *rest): ...\ndef _hidden(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    signature_of.cache_clear()
    yield folder
    signature_of.cache_clear()


def required(target: str) -> dict[str, bool]:
    found = signature_of(f"someones_package.{target}")
    assert found is not None
    return {name: parameter.required for name, parameter in found.parameters.items()}


@pytest.mark.usefixtures("package")
def test_every_kind_of_keyword_is_found_without_an_import() -> None:
    assert required("parts.Part") == {"a": True, "b": False, "c": True, "d": False}
    assert required("parts.Value") == {"x": True, "y": False}
    assert required("parts.Empty") == {}
    assert required("parts.deep") == {"p": True, "q": False}
    assert [signature_of(f"someones_package.parts.{name}").open for name in ("Part", "deep")] == [True, False]  # type: ignore[union-attr]


@pytest.mark.usefixtures("package")
def test_other_names_and_relative_imports_are_followed() -> None:
    assert required("Piece") == required("parts.Part")
    assert required("deep") == required("inner.deep") == required("parts.deep")
    assert signature_of("someones_package.Piece").name == "Part"  # type: ignore[union-attr]


@pytest.mark.usefixtures("package")
def test_a_subclass_without_a_constructor_is_left_open() -> None:
    assert signature_of("someones_package.parts.Child") is None
    assert signature_of("someones_package.Gone") is None


def test_parameters_say_what_they_accept() -> None:
    found = signature_of("reward_forcing.memory.sinks.ema.EMASink")
    assert found is not None
    for name, parameter in inspect.signature(EMASink).parameters.items():
        assert str(found.parameters[name]) == inspect.formatannotation(parameter.annotation)
    assert str(Parameter(None, required=True)) == "anything"


@pytest.mark.parametrize("outer", ["list", "Sequence", "collections.abc.Sequence"])
@given(values=st.lists(st.one_of(st.integers(), st.text(), st.none()), max_size=4))
def test_a_list_is_accepted_when_all_its_items_are(outer: str, values: list[Any]) -> None:
    assert accepts(annotation(f"{outer}[int]"), values) == all(isinstance(value, int) for value in values)
    assert accepts(annotation(f"{outer}[int | str | None]"), values)
    assert accepts(annotation(f"tuple[int, {outer}[str | None]]"), [1, values]) == all(
        not isinstance(value, int) for value in values
    )
