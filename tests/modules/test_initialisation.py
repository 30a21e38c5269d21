import pytest
import torch

from reward_forcing import seeding
from reward_forcing.flow import add_noise, bell_weights, schedule, to_velocity
from reward_forcing.losses.flow_matching import flow_matching
from reward_forcing.memory.past import Past
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.none import NoSink
from reward_forcing.modules.initialisation import (
    Both,
    Consistency,
    DiffusionForcing,
    Objective,
    ODERegression,
    TeacherForcing,
    per_chunk,
)
from reward_forcing.networks import layouts
from reward_forcing.networks.wan import WanTransformer
from tests import tiny, training

OBJECTIVES: list[Objective] = [
    TeacherForcing(memories=[training.memory()], levels=training.LEVELS, shift=3.0),
    DiffusionForcing(chunk_frames=2, window_frames=4, shift=5.0),
    ODERegression(chunk_frames=2, levels=(1.0, 0.5)),
]


def loss_of(objective: Objective, student: WanTransformer, step: int = 0, seed: int = 0) -> torch.Tensor:
    batch = next(iter(training.StepLoader(2)))
    prompt = training.Words()(batch["prompts"])
    return objective(student, batch, prompt, seeding.generator(seed, "loss"), step)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: type(objective).__name__)
def test_objectives_are_functions_of_their_generator_and_train_everything(objective: Objective) -> None:
    student = tiny.network()
    loss = loss_of(objective, student)
    assert torch.equal(loss, loss_of(objective, student))
    assert not torch.equal(loss, loss_of(objective, student, seed=1))
    loss.backward()
    silent = [name for name, parameter in student.named_parameters() if parameter.grad is None]
    assert silent == []


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: type(objective).__name__)
def test_every_objective_trains_in_the_module(objective: Objective) -> None:
    reports = training.Reports()
    trainer = training.fit(training.causal_init(objective), 3, reports)
    assert trainer.global_step == 3
    assert all(report["student/loss"].isfinite() for report in reports.all)


def test_teacher_forcing_through_a_boundless_memory_is_the_masked_forward() -> None:
    """The oracle for the streamed form: one forward pass under the teacher-forcing mask."""
    student, chunk = tiny.network(), 2
    policy = MemoryPolicy(sink=NoSink(), window_frames=None, chunk_frames=chunk)
    objective = TeacherForcing(memories=[policy], levels=(1.0, 0.5), shift=3.0)
    batch = next(iter(training.StepLoader(2)))
    clean, prompt = batch["latents"], training.Words()(batch["prompts"])
    streamed = objective(student, batch, prompt, seeding.generator("oracle"), 0)
    rng = seeding.generator("oracle")
    noise = torch.randn(clean.shape, generator=rng)
    sigma = per_chunk(objective._draw(2, 3, rng), chunk)
    both = torch.cat([clean, add_noise(clean, noise, sigma)], 1)
    layout = layouts.teacher_forcing(6, chunk)
    velocity = student(both, torch.cat([torch.zeros_like(sigma), sigma], 1), prompt, layout=layout)[:, 6:]
    torch.testing.assert_close(streamed, flow_matching(velocity, clean, noise), rtol=1e-4, atol=1e-5)


def test_memories_take_turns() -> None:
    first = TeacherForcing(memories=[training.memory(), training.memory(0.0)], levels=(1.0,), shift=3.0)
    second = TeacherForcing(memories=[training.memory(0.0)], levels=(1.0,), shift=3.0)
    student = tiny.network()
    assert torch.equal(loss_of(first, student, step=1), loss_of(second, student))
    assert not torch.equal(loss_of(first, student, step=0), loss_of(second, student))


def test_ode_regression_wants_one_state_more_than_levels() -> None:
    with pytest.raises(ValueError, match=r"objective\.levels"):
        loss_of(ODERegression(chunk_frames=2, levels=(1.0, 0.8, 0.5)), tiny.network())


def test_ode_regression_is_zero_for_the_true_velocity() -> None:
    """A straight trajectory: the velocity noise - clean leads every stored state to the clean end."""
    levels = (1.0, 0.5)
    objective = ODERegression(chunk_frames=2, levels=levels)
    batch = next(iter(training.StepLoader(2)))
    clean, noise = batch["states"][:, -1], batch["states"][:, 0]
    batch["states"] = torch.stack([noise, 0.5 * noise + 0.5 * clean, clean], 1)

    class Straight(WanTransformer):
        def forward(self, *_: object, **__: object) -> torch.Tensor:
            return to_velocity(clean, noise)

    student = Straight(**tiny.SIZES)
    assert objective(student, batch, torch.zeros(2, 3, 5), seeding.generator(0), 0) < 1e-10


def test_diffusion_forcing_by_hand() -> None:
    """One level a chunk from the table, each chunk's error counting by its place under the bell."""
    objective, student = DiffusionForcing(chunk_frames=2, window_frames=4, shift=5.0), tiny.network()
    batch = next(iter(training.StepLoader(2)))
    clean, prompt = batch["latents"], training.Words()(batch["prompts"])
    rng = seeding.generator(0, "loss")
    index = torch.randint(1000, (2, 3), generator=rng)
    noise = torch.randn(clean.shape, generator=rng)
    sigmas, table = schedule(1000, 5.0), bell_weights(schedule(1000, 5.0))
    sigma = torch.stack([sigmas[row].repeat_interleave(2) for row in index])
    velocity = student(add_noise(clean, noise, sigma), sigma, prompt, layout=layouts.block_causal(6, 2, 4))
    errors = (velocity - (noise - clean)).square().mean((2, 3, 4))
    by_frame = [table[index[clip, frame // 2]] * errors[clip, frame] for clip in range(2) for frame in range(6)]
    torch.testing.assert_close(loss_of(objective, student), torch.stack(by_frame).mean(), rtol=1e-4, atol=1e-6)


def test_ode_regression_by_hand() -> None:
    """Each chunk is taken from the stored state of its own level; the target is the last state."""
    levels, student = (1.0, 0.5), tiny.network()
    batch = next(iter(training.StepLoader(2)))
    states, prompt = batch["states"], training.Words()(batch["prompts"])
    index = torch.randint(2, (2, 3), generator=seeding.generator(0, "loss"))
    noisy, sigma = states[:, 0].clone(), torch.ones(2, 6)
    for clip in range(2):
        for frame in range(6):
            level = int(index[clip, frame // 2])
            noisy[clip, frame], sigma[clip, frame] = states[clip, level, frame], levels[level]
    velocity = student(noisy, sigma, prompt, layout=layouts.block_causal(6, 2))
    clean = noisy - sigma[:, :, None, None, None] * velocity
    expected = (clean - states[:, -1]).square().mean()
    torch.testing.assert_close(loss_of(ODERegression(chunk_frames=2, levels=levels), student), expected)


def test_levels_of_teacher_forcing_are_half_listed_half_continuous() -> None:
    objective = TeacherForcing(memories=[training.memory()], levels=(0.7, 0.4), shift=1.0)
    drawn = objective._draw(200, 50, seeding.generator("levels"))
    listed = (drawn == 0.7) | (drawn == 0.4)
    assert listed.float().mean() == pytest.approx(0.5, abs=0.03)
    assert (drawn[listed] == 0.7).float().mean() == pytest.approx(0.5, abs=0.03)
    assert drawn[~listed].mean() == pytest.approx(0.5, abs=0.03)


class Ray(WanTransformer):
    """The exact velocity in a world of one clip: from wherever one is, straight towards it."""

    def __init__(self, only: torch.Tensor) -> None:
        super().__init__(**tiny.SIZES)
        self.only = only

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        copies = (len(noisy) // len(self.only), noisy.shape[1] // self.only.shape[1], 1, 1, 1)
        return (noisy - self.only.repeat(copies)) / sigma.clamp_min(1e-6)[:, :, None, None, None]


def consistency(teacher: WanTransformer, guidance_scale: float = 3.0) -> Consistency:
    words = training.Words()
    return Consistency(teacher=teacher, text=words, chunk_frames=2, steps=8, shift=5.0, guidance_scale=guidance_scale)


def test_the_exact_consistency_function_has_no_consistency_loss() -> None:
    """In a world of one clip every trajectory is straight, so Euler steps are exact and the clean end is the clip."""
    batch = next(iter(training.StepLoader(2)))
    exact = Ray(batch["latents"])
    assert loss_of(consistency(exact), exact) < 1e-6
    assert loss_of(consistency(exact), tiny.network()) > 1e-2
    assert loss_of(consistency(tiny.network()), exact) < loss_of(consistency(tiny.network()), tiny.network())


def test_consistency_trains_the_student_alone_under_guidance() -> None:
    teacher, student = tiny.network(3), tiny.network()
    loss = loss_of(consistency(teacher), student)
    loss.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert any(parameter.grad is not None for parameter in student.parameters())
    assert loss_of(consistency(teacher, guidance_scale=1.0), student) != loss


def test_consistency_needs_steps() -> None:
    with pytest.raises(ValueError, match=r"objective\.steps is 0; it must be at least 1"):
        Consistency(teacher=tiny.network(), text=training.Words(), chunk_frames=2, steps=0, shift=5.0, guidance_scale=1)


def test_both_halves_read_the_same_and_the_clean_one_is_remembered() -> None:
    noted = tiny.Noted(tiny.random_kv(2, 3))
    past = Both(noted)
    known, own = past.read(1), tiny.layer_of(tiny.random_kv(4, 3, seed=1), 0)
    assert isinstance(past, Past)
    assert known is not None
    assert past.frames == known.frames == 3
    for half in known.keys.chunk(2):
        assert torch.equal(half, tiny.random_kv(2, 3).keys[1])
    past.write(0, own)
    assert torch.equal(noted.written[0].values, own.values[2:])
    assert Both(tiny.Noted()).read(0) is None
