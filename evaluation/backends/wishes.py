"""Which objects a video should show, in which colour and where: from VBench's notes, or the manifest's own.

VBench's stand in the metadata as `vbench.auxiliary_info` (`evaluation import --vbench` writes them). Otherwise
`objects` is a list of one or two names, `color` the first one's colour, `relationship` where the first is seen from the
second ("on the left of").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evaluation.backends.viclip import OFFICIAL

DIMENSIONS: Final = ("object_class", "multiple_objects", "color", "spatial_relationship")
"""What is asked of objects."""
ARTICLES: Final = ("a", "an", "the")


@dataclass(frozen=True)
class Wish:
    """What one dimension asks of a video."""

    objects: tuple[str, ...]
    colour: str = ""
    relationship: str = ""


def wishes(prompt: str, details: Mapping[str, Any]) -> dict[str, Wish]:
    """By dimension, what is asked of a video; dimensions that ask nothing of it are left out.

    >>> wishes("a red kite", {"vbench": {"auxiliary_info": {"color": {"color": "red"}}}})
    {'color': Wish(objects=('kite',), colour='red', relationship='')}

    Raises:
        ValueError: the metadata say it in another form.
    """
    try:
        noted = details.get("vbench", {}).get("auxiliary_info", {})
        found = {name: _official(name, noted[name], str(details.get(OFFICIAL) or prompt)) for name in _named(noted)}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"metadata.vbench.auxiliary_info is {noted!r:.120}; VBench writes it otherwise") from error
    return {**_own(details), **found}


def _named(noted: Mapping[str, Any]) -> list[str]:
    return [name for name in DIMENSIONS if name in noted]


def _official(name: str, noted: Mapping[str, Any], prompt: str) -> Wish:
    if name == "spatial_relationship":
        place = noted[name]
        return Wish((str(place["object_a"]), str(place["object_b"])), relationship=str(place["relationship"]))
    if name == "color":
        colour = str(noted["color"])
        words = [word for word in prompt.split() if word.lower() not in (*ARTICLES, colour.lower())]
        return Wish((" ".join(words),), colour)
    objects = str(noted["object"])
    if name == "object_class":
        return Wish((objects,))
    one, other = objects.split(" and ")
    return Wish((one, other))


def _own(details: Mapping[str, Any]) -> dict[str, Wish]:
    objects = details.get("objects", [])
    fits = isinstance(objects, list) and len(objects) <= 2 and all(isinstance(name, str) and name for name in objects)
    if not fits:
        raise ValueError(f"metadata.objects is {objects!r:.120}; allowed: a list of one or two names")
    names, colour, place = tuple(objects), str(details.get("color", "")), str(details.get("relationship", ""))
    found = {
        "object_class": len(names) == 1,
        "multiple_objects": len(names) == 2,
        "color": len(names) >= 1 and bool(colour),
        "spatial_relationship": len(names) == 2 and bool(place),
    }
    whole = Wish(names, colour, place)
    return {name: whole for name, asked in found.items() if asked}


def queries(found: Mapping[str, Wish]) -> tuple[str, ...]:
    """All objects that are asked for, each once."""
    return tuple(dict.fromkeys(name for wish in found.values() for name in wish.objects))
