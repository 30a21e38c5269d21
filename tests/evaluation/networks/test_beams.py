"""Beam search against an exhaustive one, and its rules by hand."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from evaluation.networks.beams import NEVER, Rules, Search, best, continued, kept, searched
from tests import tiny

END = 1


def by_last_two(table: Tensor) -> Callable[[Tensor, Sequence[int]], Tensor]:
    return lambda texts, _: table[texts[..., -1], texts[..., -2]]


def exhaustive(table: Tensor, start: Sequence[int], rules: Rules) -> tuple[int, ...]:
    """The best of all texts: those with an end, and those that are cut."""
    scores: dict[tuple[int, ...], float] = {}
    for length in range(len(start), rules.longest + 1):
        for rest in product([word for word in range(len(table)) if word != END], repeat=length - len(start)):
            text = (*start, *rest)
            words = [*text, END] if length < rules.longest else [*text]
            if length < rules.shortest and words[-1] == END:
                continue
            total = 0.0
            for place in range(len(start), len(words)):
                logits = table[words[place - 1], words[place - 2]].clone()
                total += float(logits.log_softmax(0)[words[place]])
            scores[text] = total / length
    return max(scores, key=lambda text: scores[text])


@pytest.mark.parametrize("seed", range(5))
def test_with_enough_beams_it_finds_the_best_text(seed: int) -> None:
    table = 2 * tiny.normal(4, 4, 4, seed=seed)
    rules = Rules(END, beams=40, shortest=2, longest=5)
    assert searched([2, 3], 1, rules, by_last_two(table)) == [exhaustive(table, [2, 3], rules)]


GOLDEN = {
    2: (2, 3, 5, 8, 5, 4, 4, 2, 3, 5, 8, 5),
    3: (2, 3, 5, 0, 4, 8, 4, 2),
    5: (2, 3, 0, 4, 2, 2, 4, 6, 0, 4, 2, 2),
    7: (2, 3, 0, 8, 0),
    9: (2, 3, 4, 6, 5),
}


@pytest.mark.parametrize(("seed", "text"), GOLDEN.items())
def test_golden(seed: int, text: tuple[int, ...]) -> None:
    """Texts of transformers 4.33.2 for the same numbers."""
    table = 2 * torch.randn(9, 9, 9, generator=torch.Generator().manual_seed(seed))
    assert searched([2, 3], 1, Rules(END, shortest=4, longest=12), by_last_two(table)) == [text]


def test_pictures_do_not_meet_and_those_that_are_done_are_not_asked_about() -> None:
    tables = [4 * tiny.normal(6, 6, 6, seed=seed) for seed in range(4)]
    asked: list[list[int]] = []

    def logits(texts: Tensor, pictures: Sequence[int]) -> Tensor:
        asked.append(list(pictures))
        pairs = zip(texts, pictures, strict=True)
        return torch.stack([tables[picture][rows[:, -1], rows[:, -2]] for rows, picture in pairs])

    rules = Rules(END, shortest=3, longest=20)
    together = searched([2, 3], 4, rules, logits)
    assert together == [searched([2, 3], 1, rules, by_last_two(table))[0] for table in tables]
    assert asked[0] == [0, 1, 2, 3]
    assert len(asked[-1]) < 4
    assert all(set(later) <= set(earlier) for earlier, later in pairwise(asked))


def test_no_end_before_the_shortest_and_a_cut_at_the_longest() -> None:
    eager, tired = torch.zeros(4, 4, 4), torch.zeros(4, 4, 4)
    eager[..., END], tired[..., END] = 20, -20
    assert len(searched([2, 3], 1, Rules(END, shortest=6, longest=9), by_last_two(eager))[0]) == 6
    assert len(searched([2, 3], 1, Rules(END, shortest=6, longest=9), by_last_two(tired))[0]) == 9


def test_first_words_differ() -> None:
    first = Search(torch.tensor([[5]] * 3), torch.tensor([0.0, NEVER, NEVER]))
    step = continued(first, torch.tensor([[-3.0, -9.0, -1.0, -2.0]] * 3), Rules(END))
    assert step.words.tolist() == [[5, 2], [5, 3], [5, 0]]
    assert step.scores.tolist() == [-1, -2, -3]


def test_an_end_below_the_best_three_does_not_count() -> None:
    first = Search(torch.tensor([[5]] * 3), torch.tensor([0.0, NEVER, NEVER]))
    rules = Rules(END, shortest=1)
    assert continued(first, torch.tensor([[-3.0, -4.0, -1.0, -2.0]] * 3), rules).ended == ()
    counted = continued(first, torch.tensor([[-3.0, -2.5, -1.0, -2.0]] * 3), rules)
    assert counted.ended == ((-2.5, (5,)),)
    assert counted.words.tolist() == [[5, 2], [5, 3], [5, 0]]


def test_a_search_is_done_when_nothing_can_be_better() -> None:
    ended = ((-0.1, (5, 4)), (-0.2, (5, 3)), (-0.3, (5, 2)))
    words, far = torch.tensor([[5, 0], [5, 2], [5, 3]]), torch.tensor([-3.0, -4.0, -5.0])
    following = torch.tensor([[-1.0, -50.0, -2.0, -3.0]] * 3)
    assert continued(Search(words, far, ended), following, Rules(END)).done
    near = torch.tensor([0.3, -4.0, -5.0])
    assert not continued(Search(words, near, ended), following, Rules(END)).done
    assert not continued(Search(words, far, ended[:2]), following, Rules(END)).done


def test_three_texts_are_kept_and_a_tie_is_not() -> None:
    rules = Rules(END)
    ended = kept(kept(kept((), -4.0, torch.tensor([5, 4]), rules), -2.0, torch.tensor([5]), rules), -1.0,
                 torch.tensor([6]), rules)  # fmt: skip
    assert ended == ((-2.0, (5, 4)), (-2.0, (5,)), (-1.0, (6,)))
    assert kept(ended, -2.0, torch.tensor([7]), rules) == ended
    assert kept(ended, -1.5, torch.tensor([7]), rules) == ((-2.0, (5,)), (-1.0, (6,)), (-1.5, (7,)))


def test_the_best_text_may_have_no_end_unless_the_search_is_done() -> None:
    words, scores = torch.tensor([[5, 0], [5, 2], [5, 3]]), torch.tensor([-0.2, -0.4, -0.6])
    search = Search(words, scores, ((-0.5, (5,)),))
    assert best(search, Rules(END)) == (5, 0)
    assert best(Search(words, scores, search.ended, done=True), Rules(END)) == (5,)
