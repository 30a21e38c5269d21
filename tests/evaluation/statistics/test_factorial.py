"""Effects of designs whose truth is known."""

import itertools

import numpy as np
import pytest
from jaxtyping import Float

from evaluation.statistics.crossed import Key
from evaluation.statistics.factorial import contrasts, design, effects
from tests.evaluation.made import record

CELLS = [("none", "dmd"), ("ema", "dmd"), ("none", "re_dmd"), ("ema", "re_dmd")]
FACTORS = ("sink", "loss")
SINK, LOSS = "sink: ema - none", "loss: re_dmd - dmd"
BOTH = "sink x loss: ema - none at re_dmd - at dmd"


def keys(prompts: int, seeds: int = 1) -> list[Key]:
    return [Key(f"prompt {prompt:03d}", seed) for prompt in range(prompts) for seed in range(seeds)]


def study(
    rng: np.random.Generator, prompts: int, *, sink: float, loss: float, both: float, noise: float = 0.3
) -> Float[np.ndarray, "video cell"]:
    """Prompts differ much; `both` is what the sink does more under the second loss."""
    truth = np.array([0, sink, loss, sink + loss + both])
    return np.asarray(rng.normal(0, 3, (prompts, 1)) + truth + rng.normal(0, noise, (prompts, 4)))


def test_contrasts_of_two_by_two_by_hand() -> None:
    found = contrasts(CELLS, FACTORS)
    assert list(found) == [SINK, LOSS, BOTH]
    assert found[SINK].tolist() == [-0.5, 0.5, -0.5, 0.5]
    assert found[LOSS].tolist() == [-0.5, -0.5, 0.5, 0.5]
    assert found[BOTH].tolist() == [1, -1, -1, 1]


def test_contrasts_ignore_what_is_common_and_main_effects_what_is_additive() -> None:
    levels = ["a", "b", "c"], ["x", "y"]
    cells = list(itertools.product(*levels))
    found = contrasts(cells, FACTORS)
    assert len(found) == 3 + 1 + 2
    of_first, of_second = np.array([cells.index((a, "x")) for a, _ in cells]), np.array([b == "y" for _, b in cells])
    additive = 2.0 * of_first + 7 * of_second + 5
    assert [float(weights @ additive) for weights in found.values()] == pytest.approx([4, 8, 4, 7, 0, 0])
    assert all(float(weights.sum()) == pytest.approx(0) for weights in found.values())


def test_effects_are_found_where_they_are() -> None:
    table = study(np.random.default_rng(0), 24, sink=0.5, loss=0, both=0.8)
    found = {effect.name: effect for effect in effects(table, CELLS, keys(24), factors=FACTORS, resamples=2000)}
    truth = {SINK: 0.9, LOSS: 0.4, BOTH: 0.8}
    for name, effect in found.items():
        assert effect.low < truth[name] < effect.high
        assert effect.low > 0
        assert effect.p < 0.01
        assert effect.prompts == 24
    assert found[SINK].mean == pytest.approx(table[:, [1, 3]].mean() - table[:, [0, 2]].mean())


def test_what_is_not_there_is_rarely_found_and_intervals_cover() -> None:
    """A sink that does something and a loss that does nothing, in 200 studies of 12 prompts."""
    rng = np.random.default_rng(1)
    studies = [
        effects(study(rng, 12, sink=0.5, loss=0, both=0), CELLS, keys(12), factors=FACTORS, resamples=300)
        for _ in range(200)
    ]
    truth = {SINK: 0.5, LOSS: 0.0, BOTH: 0.0}
    covered = [effect.low <= truth[effect.name] <= effect.high for found in studies for effect in found]
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / len(covered)))
    wrong = [effect.p <= 0.05 for found in studies for effect in found if effect.name != SINK]
    assert np.mean(wrong) == pytest.approx(0.05, abs=3 * np.sqrt(0.95 * 0.05 / len(wrong)))
    assert np.mean([found[0].p <= 0.05 for found in studies]) > 0.9


def test_seeds_of_a_prompt_are_one_contrast() -> None:
    once = study(np.random.default_rng(2), 10, sink=0.2, loss=0.1, both=0)
    one = effects(once, CELLS, keys(10), factors=FACTORS, resamples=500)
    five = effects(np.repeat(once, 5, axis=0), CELLS, keys(10, seeds=5), factors=FACTORS, resamples=500)
    for single, several in zip(one, five, strict=True):
        assert several.p == single.p
        assert (several.low, several.high) == pytest.approx((single.low, single.high))


def test_a_missing_video_is_left_out_of_the_contrasts_that_need_it() -> None:
    """An effect averaged over three levels needs all six cells; an interaction needs four."""
    cells = list(itertools.product(["none", "static", "ema"], ["dmd", "re_dmd"]))
    table = np.random.default_rng(3).normal(size=(8, 6))
    table[2, cells.index(("ema", "dmd"))] = np.nan
    found = {effect.name: effect.prompts for effect in effects(table, cells, keys(8), factors=FACTORS, resamples=50)}
    assert found == {
        "sink: static - none": 8,
        SINK: 7,
        "sink: ema - static": 7,
        LOSS: 7,
        "sink x loss: static - none at re_dmd - at dmd": 8,
        BOTH: 7,
    }


def test_designs_are_read_from_records() -> None:
    records = [
        record(
            f"{sink} {loss}",
            seed,
            {"contrast": 10.0 * CELLS.index((sink, loss)) + seed},
            metadata={"sink": sink, "loss": loss, "training_seed": trained},
            prompt=f"prompt {seed} {trained}",
        )
        for sink, loss in reversed(CELLS)
        for seed in range(2)
        for trained in (0, 1)
    ]
    truth = record("truth", 0, {"contrast": 1.0}, baseline=True)
    table, cells, made = design([*records[1:], truth], FACTORS, ("contrast", "late"))
    assert cells == CELLS[::-1]
    assert table.shape == (4, 4)
    row = made.index(Key("prompt 1 1", 1, "1"))
    assert table[row].tolist() == [31, 21, 11, 1]
    assert np.isnan(table).sum() == 1
    with pytest.raises(ValueError, match="videos share sink, loss and key"):
        design([*records, records[0]], FACTORS, ("contrast", "late"))
    with pytest.raises(ValueError, match="ema re_dmd-0.mkv: metadata have no 'decay'; they have sink, loss"):
        design(records, ("sink", "decay"), ("contrast", "late"))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (CELLS[:3], "the design sink x loss lacks \\('ema', 're_dmd'\\); allowed: every pair of levels once"),
        ([*CELLS, CELLS[0]], "the design sink x loss has a cell twice"),
        (CELLS[:2], "factor 'loss' has the levels \\['dmd'\\]; a factor needs two or more"),
    ],
)
def test_incomplete_designs_are_refused(cells: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        effects(np.ones((3, len(cells))), cells, keys(3), factors=FACTORS)


def test_every_column_needs_its_levels() -> None:
    with pytest.raises(ValueError, match="4 cells for 3 columns; there must be one a column"):
        effects(np.ones((3, 3)), CELLS, keys(3))
