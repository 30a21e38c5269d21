"""The recipes of real size with small parts in their places: what is left of them does not depend on size."""

from collections.abc import Iterator
from pathlib import Path

from reward_forcing.data.writing import Sample, write_shards
from tests import small_runs, tiny

DISTILLATIONS = ("reward_forcing_1_3b", "reward_forcing_1_3b_one_gpu", "self_forcing_1_3b", "long_rollout")
LARGE_TEACHER = ("reward_forcing_1_3b", "self_forcing_1_3b")
STARTS = ("wan_teacher_forcing", "wan_diffusion_forcing", "wan_ode_regression", "wan_consistency")
RECIPES = (*DISTILLATIONS, *STARTS)

PARTS = ["geometry=toy", "networks=toy", "codec=toy", "text=toy", "checkpoints=shipped", "trainer=default"]
ONE_PROCESS = ["trainer=default"]
TWO_PROCESSES = ["trainer=sharded", "trainer.devices=2", "trainer.num_nodes=1"]
STEPS = 3
"""The student's turn, the fake score's, the student's."""

RATE = ["lr=1.0e-2", "eps=1.0e-3"]
"""Of AdamW: weights move far enough to be compared, and not by the signs of gradients near zero."""


def write_parts(folder: Path) -> None:
    """Networks, a codec and trajectories for all recipes."""
    small_runs.write_exports(folder / "exports")
    states = tiny.normal(8, 5, 6, 6, 8, 8).half().numpy()

    def samples(numbers: range) -> Iterator[Sample]:
        """Of five states, as `reward-forcing data ode-pairs` writes them."""
        yield from ({"states.npy": states[number], "caption.txt": "red circle any plain"} for number in numbers)

    write_shards(folder / "pairs", samples, clips=8, origin={"kind": "test"})


def overrides(name: str, parts: Path, run: Path, *, processes: int = 1) -> list[str]:
    """What makes a recipe small; its two samples a step come one after the other, or one to each process.

    Args:
        name: of the recipe.
        parts: where `write_parts` wrote.
        run: gets what the run leaves.
        processes: one or two.
    """
    chosen = [
        f"experiments={name}",
        *PARTS,
        *(_distillation(name, parts) if name in DISTILLATIONS else _start(name, parts)),
    ]
    micro = 2 // processes
    roles = ["student_recipe", "fake_score_recipe"] if name in DISTILLATIONS else ["recipe"]
    chosen += [f"module.{role}.micro_batches={micro}" for role in roles]
    optimizers = [f"module.{role}.optimizer" for role in roles] if name in DISTILLATIONS else ["optimizer"]
    chosen += [f"++{optimizer}.{given}" for optimizer in optimizers for given in RATE]
    fewer = [given for given in small_runs.SMALL if "window_frames" not in given]
    window = "null" if name == "self_forcing_1_3b" else "6"
    chosen += [*fewer, f"memory.window_frames={window}", f"run_dir={run}", f"trainer.max_steps={STEPS}"]
    return [*chosen, *small_runs.sources(parts / "exports"), *(TWO_PROCESSES if processes == 2 else ONE_PROCESS)]


def _distillation(name: str, parts: Path) -> list[str]:
    exports = parts / "exports"
    chosen = [f"module.frozen.teacher.source={exports}/teacher.safetensors"]
    chosen += [f"module.student.source={exports}/initial_student.safetensors", "module.fake_score_steps=1"]
    chosen += ["data=toy_prompts", "~data.content.prompts.path"]
    chosen += ["reward=none"] if name == "self_forcing_1_3b" else ["reward=tracked_motion"]
    chosen += ["~reward.offload"] if name == "reward_forcing_1_3b_one_gpu" else []
    chosen += ["module.rollout_chunks=[2,4]", "module.student.lora.rank=2"] if name == "long_rollout" else []
    return chosen


def _start(name: str, parts: Path) -> list[str]:
    if name == "wan_ode_regression":
        return [f"data.content.source.path={parts}/pairs"]
    return ["data=toy_clips", "~data.content.source.path", *small_runs.CLIPS, f"data.content.source.root={parts}/data"]
