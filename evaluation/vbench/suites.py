"""VBench's prompts: which there are, what each is scored on, and how they were rewritten for models that like it long.

Scores of the same model differ by ten Semantic points between short and rewritten prompts: a result says which set it
is of, by name and digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evaluation.vbench.source import INFO, Copy
from evaluation.vbench.totals import DIMENSIONS

EVERYTHING: Final = "prompts/all_dimension.txt"
BY_DIMENSION: Final = "prompts/prompts_per_dimension/{}.txt"


@dataclass(frozen=True)
class SuitePrompt:
    """A prompt of the suite.

    Args:
        text: the short prompt, which names files.
        dimensions: what its videos are scored on.
        auxiliary: by dimension, what the score needs to know besides: an object, a colour, a place.
    """

    text: str
    dimensions: tuple[str, ...]
    auxiliary: Mapping[str, Any] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """As the official package knows it."""
        known: dict[str, Any] = {"prompt_en": self.text, "dimension": list(self.dimensions)}
        return known | ({"auxiliary_info": dict(self.auxiliary)} if self.auxiliary else {})


@dataclass(frozen=True)
class PromptSet:
    """Prompts to generate from, under a name."""

    name: str
    texts: Mapping[str, str]
    """By short prompt, the words to generate from: the short prompt itself or a rewritten one."""

    @property
    def digest(self) -> str:
        """SHA-256 of the words, in order, one prompt a line."""
        return hashlib.sha256("\n".join(self.texts.values()).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.name}, {len(self.texts)} prompts, sha256 {self.digest[:16]}"


@dataclass(frozen=True)
class Suite:
    """All prompts of a copy, in its order. Two of the official 946 occur twice, scored on other dimensions then."""

    prompts: tuple[SuitePrompt, ...]

    def of(self, dimensions: Sequence[str]) -> tuple[SuitePrompt, ...]:
        """The prompts that are scored on some of these dimensions."""
        return tuple(prompt for prompt in self.prompts if set(prompt.dimensions) & set(dimensions))

    def dimensions_of(self, text: str) -> tuple[str, ...]:
        """What videos of a prompt are scored on; nothing if it is not of the suite."""
        return tuple(dict.fromkeys(name for p in self.prompts if p.text == text for name in p.dimensions))

    def list_of(self, dimension: str) -> str:
        """The list a dimension's prompts are on: several dimensions share one.

        Raises:
            ValueError: no prompt is scored on the dimension.
        """
        for prompt in self.of([dimension]):
            return prompt.dimensions[0]
        raise ValueError(f"dimension {dimension!r} has no prompts; allowed: {', '.join(self.dimensions)}")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """All dimensions, in the order of totals."""
        found = {name for prompt in self.prompts for name in prompt.dimensions}
        return tuple(sorted(found, key=lambda name: [*DIMENSIONS, name].index(name)))


def read_suite(source: Copy) -> Suite:
    """The prompts of a copy. Raises ValueError where its list is not as it should be."""
    return suite_of(source.text(INFO), f"{source.place}, {INFO}")


def suite_of(text: str, place: str) -> Suite:
    """The prompts in the text of a `full_info` file. Raises ValueError naming the entry that is wrong."""
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}: not JSON ({error})") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{place}: no list of prompts")
    return Suite(tuple(_prompt(entry, f"{place}, entry {number}") for number, entry in enumerate(entries)))


def _prompt(entry: Any, place: str) -> SuitePrompt:
    known = entry if isinstance(entry, dict) else {}
    text, dimensions, auxiliary = (known.get(key) for key in ("prompt_en", "dimension", "auxiliary_info"))
    if not isinstance(text, str) or not isinstance(dimensions, list) or not dimensions:
        raise ValueError(f"{place}: {str(entry)[:80]}; a prompt has prompt_en and dimension, a list of names")
    return SuitePrompt(text, tuple(map(str, dimensions)), auxiliary or {})


def prompt_set(source: Copy, dimensions: Sequence[str] = (), rewritten: str | None = None) -> PromptSet:
    """Prompts of some dimensions (default: all), each once; as they are, or as a list rewrites them.

    Args:
        source: the copy of VBench.
        dimensions: which prompts.
        rewritten: a file, or the name of a list in the copy (`rewritten_lists` tells), with a line a prompt: of the
            whole suite, or of one dimension.

    Raises:
        ValueError: a dimension has no prompts, there is no such list, or it has another number of lines.
    """
    suite = read_suite(source)
    for dimension in dimensions:
        suite.list_of(dimension)
    chosen = list(dict.fromkeys(prompt.text for prompt in suite.of(dimensions or suite.dimensions)))
    name = f"vbench/{'+'.join(dimensions) or 'all'}"
    if rewritten is None:
        return PromptSet(name, {text: text for text in chosen})
    words = read_rewritten(source, rewritten)
    missing = [text for text in chosen if text not in words]
    if missing:
        raise ValueError(f"rewritten: {rewritten} has no line for {missing[0]!r} and {len(missing) - 1} others")
    return PromptSet(f"{name}/{Path(rewritten).stem}", {text: words[text] for text in chosen})


def rewritten_lists(source: Copy) -> list[str]:
    """The rewritten lists of a copy, as paths in it."""
    lists = source.files("prompts", ".txt")
    return [path for path in lists if any("augmented" in part or "enhanced" in part for part in path.split("/")[1:-1])]


def read_rewritten(source: Copy, rewritten: str) -> dict[str, str]:
    """By short prompt, its rewritten words; the first of two where a prompt occurs twice.

    Raises:
        ValueError: there is no such list, or no list of prompts has as many lines.
    """
    lines = lines_of(_rewritten_text(source, rewritten))
    stem = Path(rewritten).stem
    for short in (whole_list(source), *_short_lists(source, stem)):
        if len(short) == len(lines):
            return dict(zip(reversed(short), reversed(lines), strict=True))
    raise ValueError(
        f"rewritten: {rewritten} has {len(lines)} lines; allowed: a line a prompt, {len(whole_list(source))} for the "
        "whole suite, or as many as a dimension has in a file called after it (color_longer.txt)"
    )


def _rewritten_text(source: Copy, rewritten: str) -> str:
    if Path(rewritten).is_file():
        return Path(rewritten).read_text(encoding="utf-8")
    known = rewritten_lists(source)
    found = [path for path in known if rewritten in (path, Path(path).name, Path(path).stem)]
    if not found:
        raise ValueError(f"rewritten: {rewritten!r} is no file and no list of {source.place}; it has {known or 'none'}")
    return source.text(found[0])


def whole_list(source: Copy) -> list[str]:
    """Every prompt of the suite as the copy's own list orders them: lists of rewritten prompts have the same order."""
    if source.has(EVERYTHING):
        return lines_of(source.text(EVERYTHING))
    return [prompt.text for prompt in read_suite(source).prompts]


def _short_lists(source: Copy, stem: str) -> list[list[str]]:
    """The prompts of the dimension that a list is called after."""
    suite = read_suite(source)
    named = [dimension for dimension in suite.dimensions if stem.startswith(dimension)]
    return [dimension_list(source, dimension) for dimension in named]


def dimension_list(source: Copy, dimension: str) -> list[str]:
    """A dimension's prompts as the copy's own list orders them. Raises ValueError if it has none."""
    suite = read_suite(source)
    path = BY_DIMENSION.format(suite.list_of(dimension))
    return lines_of(source.text(path)) if source.has(path) else [prompt.text for prompt in suite.of([dimension])]


def lines_of(text: str) -> list[str]:
    """The lines of a list without the space around them; empty ones at its end are none."""
    return [line.strip() for line in text.rstrip().split("\n")]
