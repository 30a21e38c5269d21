"""The shape that JSON must have: what is wrong with a value, told by its place."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Shape: TypeAlias = Any
"""A type; a tuple of types; `[shape]`: a list of such; `{str: shape}`: any names; `{"name": shape}`: at least these."""

NUMBER: Final = (int, float)


def read_json(text: str) -> Any:
    """What a text says. Raises ValueError where it is no JSON; NaN and infinity are none."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def misshapen(value: Any, shape: Shape, place: str = "content") -> str:
    """What is wrong with a value, in words; nothing if it has the shape."""
    kind = type(shape) if isinstance(shape, list | dict) else shape
    if not _is(value, kind):
        names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        return f"{place} is a {type(value).__name__}; it must be {names}"
    if isinstance(shape, dict):
        return _misshapen_members(value, shape, place)
    if isinstance(shape, list):
        return _first((part, shape[0], f"{place}[{index}]") for index, part in enumerate(value))
    return ""


def _misshapen_members(value: Mapping[str, Any], shape: Mapping[Any, Shape], place: str) -> str:
    if str in shape:
        return _first((part, shape[str], f"{place}.{name}") for name, part in value.items())
    lacking = [name for name in shape if name not in value]
    if lacking:
        return f"{place}.{lacking[0]} is missing"
    return _first((value[name], part, f"{place}.{name}") for name, part in shape.items())


def _first(parts: Iterable[tuple[Any, Shape, str]]) -> str:
    return next((fault for value, shape, place in parts if (fault := misshapen(value, shape, place))), "")


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, or of one of several; truth values are no numbers."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
