"""The most probable text, word by word: beam search as transformers 4.33.2 does it, which VBench 0.1.5 asks for.

The order of texts, when they are given up and when the search ends follow that version: a text's score is its log
probability over its length, with the words it began with and without the end mark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

NEVER: Final = -1e9
"""Log probability of all beams but one at the start, so that the first words differ."""


Ended: TypeAlias = tuple[tuple[float, tuple[int, ...]], ...]
"""Scores and words of texts with an end, in the order they came."""


@dataclass(frozen=True)
class Rules:
    """How texts are searched for.

    Args:
        end: the mark after a text.
        beams: texts that are continued.
        shortest: words before the end mark may come, those at the start among them.
        longest: words after which a text is cut.
    """

    end: int
    beams: int = 3
    shortest: int = 10
    longest: int = 30


@dataclass(frozen=True)
class Search:
    """Texts of one picture."""

    words: Int[Tensor, "beam word"]
    scores: Float[Tensor, " beam"]
    """Log probabilities of these."""
    ended: Ended = ()
    done: bool = False


def searched(
    start: Sequence[int],
    pictures: int,
    rules: Rules,
    logits: Callable[[Int[Tensor, "picture beam word"], Sequence[int]], Float[Tensor, "picture beam vocabulary"]],
) -> list[tuple[int, ...]]:
    """The best text of each picture, without the end mark.

    Args:
        start: words that all begin with.
        pictures: how many.
        rules: of the search.
        logits: of the next word, given texts and the pictures that they are about.
    """
    scores = torch.tensor([0.0] + [NEVER] * (rules.beams - 1))
    searches = [Search(torch.tensor([list(start)] * rules.beams), scores)] * pictures
    for _ in range(len(start), rules.longest):
        open_ones = [number for number, search in enumerate(searches) if not search.done]
        if not open_ones:
            break
        found = logits(torch.stack([searches[number].words for number in open_ones]), open_ones)
        for number, rows in zip(open_ones, found.float().log_softmax(-1).cpu(), strict=True):
            searches[number] = continued(searches[number], rows, rules)
    return [best(search, rules) for search in searches]


def continued(search: Search, following: Float[Tensor, "beam vocabulary"], rules: Rules) -> Search:
    """The texts with one more word each, given log probabilities of it."""
    length = search.words.shape[1]
    if length < rules.shortest:
        following = following.index_fill(1, torch.tensor([rules.end]), -torch.inf)
    top = (following + search.scores[:, None]).flatten().topk(2 * rules.beams)
    beams, words = top.indices // following.shape[1], top.indices % following.shape[1]
    ending, ended = words == rules.end, search.ended
    for rank in ending[: rules.beams].nonzero()[:, 0].tolist():
        ended = kept(ended, float(top.values[rank]), search.words[beams[rank]], rules)
    on = (~ending).nonzero()[: rules.beams, 0]
    longer = torch.cat([search.words[beams[on]], words[on, None]], 1)
    bound = float(top.values[0]) / (length + 1)
    done = len(ended) == rules.beams and min(score for score, _ in ended) >= bound
    return Search(longer, top.values[on], ended, done)


def kept(ended: Ended, score: float, words: Int[Tensor, " word"], rules: Rules) -> Ended:
    """The best texts with an end, with a new one of this log probability if it is one of them."""
    more = (*ended, (score / len(words), tuple(words.tolist())))
    if len(more) <= rules.beams:
        return more
    worst = min(range(len(more)), key=lambda place: (more[place][0], place != len(ended)))
    return more[:worst] + more[worst + 1 :]


def best(search: Search, rules: Rules) -> tuple[int, ...]:
    """The best text of all, those without an end among them if the search is not done."""
    ended = search.ended
    if not search.done:
        for score, words in zip(search.scores.tolist(), search.words, strict=True):
            ended = kept(ended, score, words, rules)
    return max(reversed(ended), key=lambda text: text[0])[1]
