"""Tags and words: read from files of which nothing is executed, put together and taken apart."""

from pathlib import Path

import pytest

from evaluation.networks.tag2text_words import LENGTH, Words, read_tags, read_words
from tests.evaluation.backends.small import VOCABULARY, small_words


def numbers(*words: str) -> list[int]:
    return [VOCABULARY.index(word) for word in words]


def files(folder: Path, tags: str = "tra_array = ['red boat', 'city']", words: str = "\n".join(VOCABULARY)) -> Words:
    (folder / "tag_class.py").write_text(f"import numpy as np\n\n{tags}\ntra_array = np.array(tra_array)\n")
    (folder / "vocab.txt").write_text(words + "\n")
    return read_words(folder / "tag_class.py", folder / "vocab.txt")


def test_files_are_read(tmp_path: Path) -> None:
    words = files(tmp_path)
    assert words.tags == ("red boat", "city")
    assert words.vocabulary == VOCABULARY
    assert words.tag_words([0, 1]) == small_words().tag_words([0, 1])


def test_marks() -> None:
    words = small_words()
    assert (words.padding, words.end) == (0, 3)
    assert words.start == [len(VOCABULARY), *numbers("a", "picture", "of")]


def test_tags_become_a_text() -> None:
    found = small_words().tag_words([0, 3, 1])
    text = [len(VOCABULARY) + 1, *numbers("red", "boat", "|", "tree", "##s", "|", "city", "[SEP]")]
    assert found == text + [0] * (LENGTH - len(text))


def test_no_tags_are_a_text_of_marks() -> None:
    assert small_words().tag_words([]) == [len(VOCABULARY) + 1, 3] + [0] * 38


def test_long_texts_are_cut_before_their_end() -> None:
    found = small_words().tag_words([1] * 30)
    assert len(found) == LENGTH
    assert found[1:39] == numbers(*["city", "|"] * 19)
    assert found[-1] == 3


def test_unknown_words_are_a_mark() -> None:
    words = Words(("zebra",), VOCABULARY, small_words().reader)
    assert words.tag_words([0])[1:3] == numbers("[UNK]", "[SEP]")


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        (("a", "red", "boat"), "a red boat"),
        (("tree", "##s", "in", "a", "park", "[SEP]", "[PAD]"), "trees in a park"),
        (("a", "city", "'", "s", "park", "."), "a city's park."),
        (("[UNK]", "city", "[MASK]"), "city"),
        ((), ""),
    ],
)
def test_captions(said: tuple[str, ...], caption: str) -> None:
    """As the reference's tokenizer decodes them."""
    assert small_words().caption([len(VOCABULARY), *numbers("a", "picture", "of", *said)]) == caption


def test_a_piece_after_the_first_words_belongs_to_them() -> None:
    """The reference cuts as many letters nevertheless."""
    assert small_words().caption([len(VOCABULARY), *numbers("a", "picture", "of", "##s", "city")]) == " city"


def test_marks_of_this_network_are_not_said() -> None:
    start = [len(VOCABULARY), *numbers("a", "picture", "of")]
    assert small_words().caption([*start, len(VOCABULARY) + 1, *numbers("city")]) == "city"


@pytest.mark.parametrize("tags", ["", "tra_array = 3", "tra_array = [name]", "tra_array = ["])
def test_files_without_tags_are_refused(tags: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tag2text: .*tag_class.py has no list of tags; allowed: tag_class.py of a"):
        files(tmp_path, tags)


def test_nothing_in_a_list_is_executed(tmp_path: Path) -> None:
    flag = tmp_path / "sprung"
    path = tmp_path / "tag_class.py"
    path.write_text(f"open({str(flag)!r}, 'w').close()\ntra_array = ['city']\n")
    assert read_tags(path) == ("city",)
    assert not flag.exists()


def test_a_vocabulary_has_all_marks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tag2text: .*vocab.txt has no \[MASK\]; allowed: vocab.txt of bert-base"):
        files(tmp_path, words="[PAD]\n[UNK]\n[CLS]\n[SEP]\na")


@pytest.mark.parametrize(("missing", "what"), [("tag_class.py", "tag_class.py of a copy"), ("vocab.txt", "vocab.txt")])
def test_files_that_are_not_there(missing: str, what: str, tmp_path: Path) -> None:
    files(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ValueError, match=f"tag2text: .*{missing} is not there; allowed: {what}"):
        read_words(tmp_path / "tag_class.py", tmp_path / "vocab.txt")
