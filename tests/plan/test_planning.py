"""Plans of composed configs."""

import copy
from typing import Any

import pytest

from reward_forcing.composition.configuration import compose, plain
from reward_forcing.plan.networks import networks_of
from reward_forcing.plan.planning import LARGE, Line, Plan, gathered, make_plan, remedies
from reward_forcing.plan.situation import situation_of

FILL = {"wan_teacher_forcing": "data.content.source.path=x", "wan_consistency": "data.content.source.path=x"}


def values_of(name: str, *overrides: str) -> dict[str, Any]:
    fill = [FILL[name]] if name in FILL else []
    values: dict[str, Any] = plain(compose([f"experiments={name}", "hardware=h100", *fill, *overrides]))
    return values


def planned(name: str, *overrides: str) -> Plan:
    plan = make_plan(values_of(name, *overrides))
    assert plan is not None
    return plan


def test_one_gpu_of_80_gb_is_enough_for_the_small_teacher() -> None:
    plan = planned("reward_forcing_1_3b_one_gpu")
    assert plan.fits
    assert 70e9 < plan.peak <= 80e9
    assert plan.run.ranks == 1
    weights = {line.role: line for line in plan.lines}
    assert weights["student"].optimiser == 8 * 1_418_996_800
    assert weights["student"].weights == (4 + 2) * 1_418_996_800, "masters in fp32, casts in bf16"
    assert weights["teacher"].total == 2 * 1_418_996_800


def test_64_gpus_carry_the_large_teacher() -> None:
    plan = planned("reward_forcing_1_3b")
    assert plan.fits
    assert plan.peak < 60e9
    teacher = next(line for line in plan.lines if line.role == "teacher")
    assert teacher.weights == 2 * 14_288_491_584 // 64


def test_one_gpu_does_not_carry_the_large_teacher() -> None:
    plan = planned("reward_forcing_1_3b_one_gpu", "module.frozen.teacher.source=Wan2.1-T2V-14B")
    assert not plan.fits
    assert planned("reward_forcing_1_3b_one_gpu", "module.frozen.teacher.source=Wan2.1-T2V-14B", "hardware=h200").fits


def test_only_one_network_has_gradients_at_a_time() -> None:
    plan = planned("reward_forcing_1_3b_one_gpu")
    assert plan.gradients == 4 * 1_418_996_800
    lying = sum(line.total for line in plan.lines) - plan.gradients
    assert plan.peak == round(lying + plan.phases[plan.widest] + 1.5e9)


def test_operations_grow_with_the_batch_and_hours_shrink_with_gpus() -> None:
    one, two = (planned("reward_forcing_1_3b", f"data.batch_size={batch}") for batch in (64, 128))
    assert two.flops == pytest.approx(2 * one.flops)
    fast = planned("reward_forcing_1_3b", "hardware.utilisation=0.8")
    assert fast.hours == pytest.approx(one.hours / 2)


def test_operations_do_not_depend_on_micro_batches() -> None:
    plans = [
        planned(
            "reward_forcing_1_3b_one_gpu",
            f"module.student_recipe.micro_batches={parts}",
            f"module.fake_score_recipe.micro_batches={parts}",
        )
        for parts in (1, 8)
    ]
    assert plans[0].flops == pytest.approx(plans[1].flops)
    assert plans[0].peak > 1.5 * plans[1].peak


def test_remedies_save_what_they_say() -> None:
    overrides = ["module.student.checkpointing=false", "module.fake_score.checkpointing=false"]
    values = values_of("reward_forcing_1_3b_one_gpu", *overrides)
    before = copy.deepcopy(values)
    found = remedies(values)
    assert values == before, "planning changes nothing"
    without = planned("reward_forcing_1_3b_one_gpu", *overrides)
    all_or_half = [name for name in found if name.startswith("checkpointing")]
    assert len(all_or_half) == 2
    for remedy in all_or_half:
        with_it = planned("reward_forcing_1_3b_one_gpu", *remedy.partition(": ")[2].split())
        assert without.peak - with_it.peak == found[remedy] > 0
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [
        (["module.frozen.teacher.dtype=float32"], "a teacher in bf16"),
        (["module.frozen.teacher.source=Wan2.1-T2V-14B"], "a smaller teacher"),
        (["module.frozen.teacher.source=Wan2.1-T2V-14B"], "a teacher in eight bits"),
        (["reward.offload=false"], "rewards on the CPU"),
        (["text=umt5"], "embeddings from disk"),
        (["module.student_recipe.micro_batches=1"], "one sample at a time"),
        ([], "more GPUs"),
    ],
)
def test_every_remedy_is_offered_where_it_helps(overrides: list[str], remedy: str) -> None:
    found = remedies(values_of("reward_forcing_1_3b_one_gpu", *overrides))
    assert any(name.startswith(remedy) and size > 0 for name, size in found.items())


def test_what_is_done_already_is_not_offered() -> None:
    found = remedies(values_of("reward_forcing_1_3b"))
    done = ("checkpointing", "one sample", "a teacher in bf16", "a teacher in eight bits")
    assert not any(name.startswith(done) for name in found), "and what is split cannot be in eight bits"


def test_a_large_teacher_in_eight_bits_takes_half() -> None:
    large = ["module.frozen.teacher.source=Wan2.1-T2V-14B", "hardware=h200"]
    plain, small = (
        planned("reward_forcing_1_3b_one_gpu", *large, f"module.frozen.teacher_linears={name}")
        for name in ("exact", "int8")
    )
    weights = [next(line.weights for line in plan.lines if line.role == "teacher") for plan in (plain, small)]
    assert weights[1] == pytest.approx(0.5 * weights[0], rel=0.03)
    assert small.phases["student: scores"] > plain.phases["student: scores"], "wide copies of some tokens"
    assert small.peak < plain.peak


@pytest.mark.parametrize("name", ["wan_teacher_forcing", "wan_consistency", "long_rollout", "self_forcing_1_3b"])
def test_the_other_recipes_fit(name: str) -> None:
    plan = planned(name)
    assert plan.fits
    assert plan.parameters > LARGE
    assert plan.hours > 0


def test_a_toy_run_is_small_and_a_codec_has_no_plan() -> None:
    assert planned("toy_distillation").parameters < LARGE
    assert make_plan(values_of("toy_codec")) is None


def test_muon_keeps_one_state() -> None:
    toy = {option: planned("toy_teacher", f"optimizer={option}") for option in ("adamw", "muon_adamw")}
    states = {option: plan.lines[0].optimiser for option, plan in toy.items()}
    assert states["adamw"] == 2 * states["muon_adamw"]


def test_sharded_networks_are_borrowed_block_by_block() -> None:
    values = values_of("reward_forcing_1_3b")
    run, networks = situation_of(values), networks_of(values)
    large = networks["teacher"].sizes
    assert gathered(run, networks) == 2 * (2 * large.block_parameters + large.outer_parameters)
    alone = values_of("reward_forcing_1_3b_one_gpu")
    assert gathered(situation_of(alone), networks) == 0


def test_a_line_adds_up() -> None:
    assert Line(role="x", parameters=1, weights=2, gradients=3, optimiser=4).total == 9
