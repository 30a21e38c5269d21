"""What objectives on clips take, against torch's own counts of the objectives at work."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reward_forcing import seeding
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.modules.initialisation import (
    Consistency,
    DiffusionForcing,
    Objective,
    ODERegression,
    TeacherForcing,
)
from reward_forcing.plan import objectives
from reward_forcing.plan.activations import backward_workspace
from reward_forcing.plan.costs import Sizes, kv_bytes
from reward_forcing.plan.networks import Network, networks_of
from reward_forcing.plan.objectives import Work, work_of
from reward_forcing.plan.situation import Situation, situation_of
from tests import tiny, training

MICRO = 2
HOME = "reward_forcing.modules.initialisation"


def run(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "geometry": training.GEOMETRY, "ranks": 1, "sharded": False, "mixed": False, "batch": MICRO, "micro": MICRO,
        "levels": 3, "window": 3, "sink": 1, "sink_width": 4, "words": tiny.WORDS, "chunks": 6,
    }  # fmt: skip
    return Situation(**{**values, **changes})


def network(name: str = "student", **changes: Any) -> Network:
    sizes = Sizes(**tiny.SIZES)
    values: dict[str, Any] = {"sizes": sizes, "width": 4, "learning": sizes.parameters, "checkpointing": False}
    return Network(name=name, averaged=False, **{**values, **changes})


def consistency() -> Consistency:
    return Consistency(
        teacher=tiny.network(5), text=training.Words(), chunk_frames=1, steps=4, shift=3.0, guidance_scale=2.0
    )


CASES: dict[str, tuple[Callable[[], Objective], dict[str, Any]]] = {
    "TeacherForcing": (
        lambda: TeacherForcing(memories=[training.memory()], levels=training.LEVELS, shift=3.0),
        {"memories": [{"window_frames": 3}]},
    ),
    "DiffusionForcing": (lambda: DiffusionForcing(chunk_frames=2, window_frames=4, shift=5.0), {}),
    "ODERegression": (lambda: ODERegression(chunk_frames=2, levels=(1.0, 0.5)), {}),
    "Consistency": (consistency, {}),
}


def work(name: str, situation: Situation | None = None) -> Work:
    node = {"_target_": f"{HOME}.{name}", **CASES[name][1]}
    return work_of(situation or run(), {"objective": node})


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def loss_of(name: str, student: torch.nn.Module) -> Tensor:
    batch = next(iter(training.StepLoader(MICRO)))
    prompt = training.Words()(batch["prompts"])
    objective: Any = CASES[name][0]()
    loss: Tensor = objective(student, batch, prompt, seeding.generator(0, "loss"), 0)
    return loss


def test_forward_passes_cost_what_torch_counts(name: str) -> None:
    """Exactly: every pass of the student and of a guiding teacher."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        loss_of(name, tiny.network())
    planned, student = work(name), network()
    passes = [*planned.learning, *planned.judging, *planned.guiding]
    assert objectives._forward(student, passes) == counter.get_total_flops()


@pytest.mark.parametrize("checkpointing", [False, 0.5, True])
def test_learning_costs_about_what_torch_counts(name: str, checkpointing: float) -> None:
    """Ends of a small network need less than twice as much backward; of a large one they are nothing."""
    student = tiny.network(checkpointing=checkpointing)
    with FlopCounterMode(display=False) as counter:
        loss_of(name, student).backward()
    planned = objectives.operations(work(name), network(checkpointing=checkpointing), network("teacher", learning=0))
    assert planned == pytest.approx(counter.get_total_flops(), rel=0.12)


def test_teacher_forcing_processes_every_chunk_twice_with_what_it_sees() -> None:
    found = work("TeacherForcing").learning
    assert [(one.frames, one.keys, one.batch) for one in found] == [(1, seen, 2 * MICRO) for seen in (1, 2, 3, 3, 3, 3)]
    boundless = work_of(
        run(), {"objective": {"_target_": f"{HOME}.TeacherForcing", "memories": [{"window_frames": None}]}}
    )
    assert [one.keys for one in boundless.learning] == [1, 2, 3, 4, 5, 6]


def test_consistency_processes_clean_and_noisy_frames_and_asks_a_teacher() -> None:
    found = work("Consistency")
    assert [(one.frames, one.batch) for one in found.learning + found.judging] == [(12, MICRO)] * 2
    assert [(one.frames, one.batch) for one in found.guiding] == [(6, 2 * MICRO)]


def test_what_has_no_objective_learns_from_whole_clips() -> None:
    """A teacher's pretraining."""
    assert work_of(run(), {}).learning == (run().clip(MICRO),)


def test_without_checkpointing_teacher_forcing_keeps_what_autograd_saves() -> None:
    """Each storage once; within a fifth, since what lies outside the blocks is not counted, and is much here."""
    student, seen = tiny.network(), dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    parameters = {parameter.untyped_storage().data_ptr() for parameter in student.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = loss_of("TeacherForcing", student)
    saved = sum(seen.values())
    loss.backward()
    found = objectives.phases(run(), work("TeacherForcing"), network(), None)["clips: backward"]
    last = work("TeacherForcing").learning[-1]
    held = found - backward_workspace(network().sizes, last, "float32", checkpointing=False)
    assert held == pytest.approx(saved, rel=0.2)


def test_with_checkpointing_what_was_read_is_kept() -> None:
    """Windows of 3: the six chunks read 0, 1, 2, 2, 2 and 2 frames, for both halves of the batch."""
    student, planned = network(checkpointing=True), work("TeacherForcing")
    blind = Work(learning=tuple(one for one in planned.learning if one.keys == one.frames))
    read = kv_bytes(student.sizes, frames=9, tokens=4, batch=2 * MICRO, width=4)
    entering = 6 * 2 * MICRO * 4 * 24 * 4 * 2  # chunks, batch, tokens, width, bytes, layers
    held = objectives.phases(run(), planned, student, None)["clips: backward"]
    workspace = objectives.phases(run(), blind, student, None)["clips: backward"] - entering // 6
    assert held - read - entering >= workspace > 0


@pytest.fixture(scope="module")
def recipes() -> dict[str, tuple[Situation, dict[str, Network], Any]]:
    found = {}
    for name in ("wan_teacher_forcing", "wan_diffusion_forcing", "wan_ode_regression", "wan_consistency"):
        values = plain(compose([f"experiments={name}"]))
        found[name] = (situation_of(values), networks_of(values), values["module"])
    return found


def test_real_starts_cost_what_their_passes_cost(recipes: dict[str, Any]) -> None:
    """At 480 x 832, of the 1.3B network: a clip of 21 frames forward and backward, checkpointed, is the measure."""
    found = {}
    for name, (situation, networks, module) in recipes.items():
        guide = next((network for network in networks.values() if not network.learning), None)
        whole = objectives.operations(work_of(situation, module), networks["student"], guide)
        found[name] = whole / situation.micro
    clip = found["wan_diffusion_forcing"]
    assert found["wan_ode_regression"] == clip
    assert 1.1 * clip < found["wan_teacher_forcing"] < 2 * clip, "twice the frames, each of which sees at most nine"
    assert found["wan_consistency"] > 3 * clip, "twice the frames, all of which see all, and two more kinds of passes"
