"""What a config says about how it will run."""

import pytest

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.networks import networks_of
from reward_forcing.plan.situation import Situation, situation_of


def situation(*overrides: str) -> Situation:
    return situation_of(plain(compose(overrides)))


def test_the_papers_run() -> None:
    run = situation("experiments=reward_forcing_1_3b")
    assert (run.ranks, run.shares, run.sharded, run.mixed) == (64, 64, True, True)
    assert (run.batch, run.micro, run.levels, run.words) == (64, 1, 4, 512)
    assert (run.window, run.sink, run.sink_width) == (9, 3, 4)
    assert run.geometry.tokens_per_frame == 1560


def test_copies_of_split_networks_are_split_over_fewer() -> None:
    run = situation("experiments=reward_forcing_1_3b", "trainer=hybrid")
    assert (run.ranks, run.copies, run.shares, run.sharded) == (64, 8, 8, True)
    whole = situation("trainer=ddp")
    assert (whole.ranks, whole.shares, whole.sharded) == (8, 1, False)


def test_one_gpu_goes_through_its_batch_in_parts() -> None:
    run = situation("experiments=reward_forcing_1_3b_one_gpu")
    assert (run.ranks, run.shares, run.batch, run.micro) == (1, 1, 8, 1)
    run = situation("experiments=reward_forcing_1_3b_one_gpu", "module.student_recipe.micro_batches=2")
    assert run.micro == 4, "the turn with the larger parts counts"


def test_the_longest_rollout_counts_and_its_end_is_scored() -> None:
    run = situation("experiments=long_rollout")
    assert run.chunks == 28
    assert run.scored == range(21, 28)
    assert situation().scored == range(7)


def test_chunks_see_the_window() -> None:
    run = situation()
    assert [run.chunk(index).keys for index in range(4)] == [3, 6, 9, 9]
    assert run.clip(4).frames == 21
    assert run.clip(4).batch == 4


@pytest.mark.parametrize(
    ("overrides", "precision"),
    [
        ([], "float32"),
        (["trainer=bf16"], "mixed"),
        (["+module.student.dtype=bfloat16"], "bfloat16"),
    ],
)
def test_what_a_network_computes_in(overrides: list[str], precision: str) -> None:
    values = plain(compose(overrides))
    assert situation_of(values).precision(networks_of(values)["student"]) == precision


def test_a_sink_in_the_precision_of_the_student() -> None:
    assert situation("sink=static").sink_width is None
    assert situation("sink=none").sink == 0


def test_remembering_is_linear() -> None:
    values = plain(compose())
    run, student = situation_of(values), networks_of(values)["student"]
    one = run.remembered(student.sizes, 1, "float32")
    assert one == 2 * 4 * 8 * 16 * 96 * 4, "keys and values, layers, samples, tokens, width, bytes"
    assert run.remembered(student.sizes, 6, "float32") == 6 * one
