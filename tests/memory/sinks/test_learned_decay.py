import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.learned_decay import LearnedDecayEMASink, logit
from tests.tiny import normal, remembered


def frames(seed: int) -> KV:
    return KV(normal(1, 2, 3, 2, 2, 4, seed=seed), normal(1, 2, 3, 2, 2, 4, seed=seed + 100))


def sink(shifts: list[float] | None = None, decay: float = 0.8, heads: int = 2) -> LearnedDecayEMASink:
    return LearnedDecayEMASink(frames=3, decay=decay, speed=10, heads=heads, shifts=shifts)


def test_before_it_has_learned_it_is_ema_sink() -> None:
    mine, plain = sink().fold(frames(1), frames(2)), EMASink(frames=3, decay=0.8).fold(frames(1), frames(2))
    assert_close(mine.keys, plain.keys)
    assert_close(mine.values, plain.values)


def test_each_head_has_the_decay_it_learned() -> None:
    learned = sink([0.1, -0.2])
    wanted = [1 / (1 + math.exp(-(math.log(0.8 / 0.2) + 10 * shift))) for shift in (0.1, -0.2)]
    assert_close(learned.decays(), torch.tensor(wanted))
    folded = learned.fold(frames(1), frames(2))
    for head, decay in enumerate(wanted):
        plain = EMASink(frames=3, decay=decay).fold(frames(1), frames(2))
        assert_close(folded.keys[..., head, :], plain.keys[..., head, :])
        assert_close(folded.values[..., head, :], plain.values[..., head, :])


def test_heads_may_share_one_decay() -> None:
    shared, apart = sink([0.1], heads=1), sink([0.1, 0.1])
    assert torch.equal(shared.fold(frames(1), frames(2)).keys, apart.fold(frames(1), frames(2)).keys)


def test_another_decay_moves_all_heads_and_keeps_their_order() -> None:
    slower = dataclasses.replace(sink([0.1, -0.2]), decay=0.99)
    assert (slower.decays() > sink([0.1, -0.2]).decays()).all()
    assert slower.decays()[0] > 0.99 > slower.decays()[1]


def test_gradients_are_those_of_the_closed_form() -> None:
    """Two folds: S = d^2 K_0 + (1 - d)(d K_1 + K_2), so that dS/dd = 2 d K_0 + (1 - 2 d) K_1 - K_2."""
    learned = sink()
    assert isinstance(learned.shifts, nn.Parameter)
    folded = learned.fold(learned.fold(frames(0), frames(1)), frames(2))
    folded.keys.sum().backward()
    first, second, third = (frames(seed).keys.sum((0, 1, 2, 3, 5)) for seed in range(3))
    slope = 10 * 0.8 * 0.2
    assert_close(learned.shifts.grad, slope * (2 * 0.8 * first + (1 - 2 * 0.8) * second - third))


def test_what_leaves_a_window_moves_the_decays() -> None:
    learned = sink()
    policy = MemoryPolicy(sink=learned, window_frames=9, chunk_frames=3)
    read = policy.read(remembered(policy, [frames(seed) for seed in range(4)])[-1])
    read.values.square().sum().backward()
    assert isinstance(learned.shifts, nn.Parameter)
    assert learned.shifts.grad is not None
    assert learned.shifts.grad.all()


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_ends_stay_the_ends(decay: float) -> None:
    learned = sink([0.3, -0.3], decay=decay)
    folded = learned.fold(frames(1), frames(2))
    assert torch.equal(folded.keys, frames(1 if decay else 2).keys)
    folded.keys.sum().backward()
    assert isinstance(learned.shifts, nn.Parameter)
    assert learned.shifts.grad is not None
    assert not learned.shifts.grad.any()


def test_it_learns_in_full_precision_whatever_it_folds() -> None:
    half = [frames(seed).to(torch.bfloat16) for seed in (1, 2)]
    assert sink().fold(*half).keys.dtype == torch.bfloat16
    assert sink().decays().dtype == torch.float32


def test_copies_share_what_is_learned() -> None:
    learned = sink()
    assert dataclasses.replace(learned, decay=0.5).shifts is learned.shifts


def test_the_logit_is_the_inverse_of_the_sigmoid() -> None:
    assert torch.sigmoid(torch.tensor(logit(0.3))).item() == pytest.approx(0.3)
    assert (logit(0), logit(1)) == (-math.inf, math.inf)


def test_another_number_of_heads_is_refused_where_it_is_met() -> None:
    with pytest.raises(ValueError, match=r"sink\.heads is 3; allowed: 2, the student's, or 1 \(all share a decay\)"):
        sink(heads=3).fold(frames(1), frames(2))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"shifts": [0.1]}, r"sink\.shifts is \[0\.1\]; it must hold 2 numbers, as sink\.heads says"),
        ({"heads": 0}, r"sink\.heads is 0; it must be positive"),
        ({"speed": -1.0}, r"sink\.speed is -1\.0; it must be positive"),
        ({"decay": 1.1}, r"sink\.decay is 1\.1"),
    ],
)
def test_its_numbers_are_checked(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LearnedDecayEMASink(**{"frames": 3, "decay": 0.8, "speed": 1.0, "heads": 2, **wrong})  # type: ignore[arg-type]
