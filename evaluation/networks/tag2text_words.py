"""Words that Tag2Text reads and writes: the tags of VBench's list, in the vocabulary of BERT (uncased)."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Final

PROMPT: Final = "a picture of "
"""All captions begin with it, and are read without it."""

LENGTH: Final = 40
"""Words of a text of tags, its marks among them."""

MARKS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
GLUED: Final = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")
"""Where a text loses its spaces, one after the other."""


@dataclass(frozen=True)
class Words:
    """Tags, and the vocabulary.

    Args:
        tags: in the network's order.
        vocabulary: in the order of its numbers; the two marks of this network follow it.
        reader: takes texts apart.
    """

    tags: tuple[str, ...]
    vocabulary: tuple[str, ...]
    reader: Any

    @property
    def padding(self) -> int:
        """The mark of nothing."""
        return self.vocabulary.index("[PAD]")

    @property
    def end(self) -> int:
        """The mark after a text."""
        return self.vocabulary.index("[SEP]")

    @property
    def start(self) -> list[int]:
        """The network's mark of a caption, and the words that all begin with."""
        return [len(self.vocabulary), *self._numbers(PROMPT)[1:-1]]

    def tag_words(self, chosen: Sequence[int]) -> list[int]:
        """The text of these tags: the network's mark, at most 38 words, the end, and nothing up to 40."""
        numbers = [len(self.vocabulary) + 1, *self._numbers(" | ".join(self.tags[tag] for tag in chosen))[1:-1]]
        cut = [*numbers[: LENGTH - 1], self.end]
        return cut + [self.padding] * (LENGTH - len(cut))

    def caption(self, numbers: Sequence[int]) -> str:
        """What a text says, without the words that all begin with.

        Pieces of words are joined, and marks left out.
        """
        known = [self.vocabulary[number] for number in numbers if number < len(self.vocabulary)]
        text = " ".join(word for word in known if word not in MARKS).replace(" ##", "").strip()
        return reduce(lambda said, mark: said.replace(mark, mark.strip()), GLUED, text)[len(PROMPT) :]

    def _numbers(self, text: str) -> list[int]:
        numbers: list[int] = self.reader.encode(text).ids
        return numbers


def read_words(tags: str | Path, vocabulary: str | Path) -> Words:
    """Tags of VBench's `tag_class.py` and the words of BERT's `vocab.txt`.

    Raises:
        ValueError: one of them is not there or is something else.
    """
    from tokenizers import BertWordPieceTokenizer

    path = _there(vocabulary, "vocab.txt of bert-base-uncased")
    words = tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    if missing := [mark for mark in MARKS if mark not in words]:
        raise ValueError(
            f"tag2text: {path} has no {missing[0]}; allowed: vocab.txt of bert-base-uncased, a word a line"
        )
    return Words(read_tags(tags), words, BertWordPieceTokenizer(str(path), lowercase=True))


def read_tags(path: str | Path) -> tuple[str, ...]:
    """The tags in VBench's `tag_class.py`, of which nothing is executed.

    Raises:
        ValueError: there is no such file, or it has no list `tra_array` of names.
    """
    path = _there(path, "tag_class.py of a copy of VBench")
    try:
        lines = ast.parse(path.read_text(encoding="utf-8")).body
        lists = [line.value for line in lines if isinstance(line, ast.Assign) and isinstance(line.value, ast.List)]
        found = ast.literal_eval(lists[0])
    except (SyntaxError, ValueError, IndexError) as error:
        raise ValueError(f"tag2text: {path} has no list of tags; allowed: tag_class.py of a copy of VBench") from error
    return tuple(str(tag) for tag in found)


def _there(path: str | Path, what: str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"tag2text: {path} is not there; allowed: {what}")
    return path
