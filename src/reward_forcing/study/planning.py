"""From an experiment to what is to be done: students to train and cells to stream. Nothing is touched yet."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reward_forcing import train
from reward_forcing.composition import configuration, places
from reward_forcing.exports import notes_of
from reward_forcing.run_folder import RunFolder
from reward_forcing.stream_notes import config_of
from reward_forcing.study.design import SEED, STREAMS, VARIANTS, Study, level_of, read_study, require_honest
from reward_forcing.sweeps.identity import config_hash
from reward_forcing.sweeps.jobs import Job

RUNS: Final = "RUNS/"
"""Stands for the folder of all runs in what a study says of files."""
SHIPPED: Final = "SHIPPED/"
"""Stands for the folder of the files that come with the project."""
ALL: Final = "student"
"""The only cell of a study that varies nothing."""
COMMON: Final = (
    "name=student",
    "resume=auto",
    "callbacks.sample_videos=null",
    "callbacks.progress=null",
    "trainer.enable_progress_bar=false",
)
"""How students of a study are trained: they belong to no study alone, continue, and are quiet."""


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Args:
        overrides: of every training.
        seeds: the most.
        prompts: the most.
        frames: the most, of every video.
        suffix: of the names of folders.
    """

    overrides: tuple[str, ...] = ()
    seeds: int | None = None
    prompts: int | None = None
    frames: int | None = None
    suffix: str = ""


FULL: Final = Scale()
FAST: Final = Scale(("trainer.max_steps=2", "data.batch_size=2"), seeds=2, prompts=2, frames=24, suffix="-fast")


@dataclass(frozen=True)
class Student:
    """A student to train, in a folder named after its config: studies that share it train it once.

    Args:
        levels: of the axes of the study, without the seed.
        seed: of its training.
        job: its training.
    """

    levels: Mapping[str, str]
    seed: int
    job: Job

    @property
    def digest(self) -> str:
        """Of its config."""
        return self.job.folder.name

    @property
    def export(self) -> Path:
        """The trained student."""
        return self.job.folder / "student.safetensors"

    @property
    def is_trained(self) -> bool:
        """Whether it is there already, for this study or for another one."""
        return self.export.is_file() and RunFolder(self.job.folder).summary.is_file()


@dataclass(frozen=True)
class Cell:
    """What is compared: students that differ in their training seed only, streamed in one way.

    Args:
        name: for people.
        levels: of all axes, and of the streams.
        students: one a training seed.
        stream: overrides of the config `stream`.
    """

    name: str
    levels: Mapping[str, str]
    students: tuple[Student, ...]
    stream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything a study does.

    Args:
        name: of the experiment.
        study: what it asks.
        students: to train; different ones.
        cells: to stream and judge.
        folder: of the study's run.
        root: of all runs.
        scale: how much of it is done.
        overrides: that were asked for besides the experiment's own.
    """

    name: str
    study: Study
    students: tuple[Student, ...]
    cells: tuple[Cell, ...]
    folder: Path
    root: Path
    scale: Scale
    overrides: tuple[str, ...]

    @property
    def prompts(self) -> int:
        """Videos of every student and stream."""
        return min(self.study.prompts, self.scale.prompts or self.study.prompts)

    @property
    def frames(self) -> int:
        """Of every video."""
        return min(self.study.frames, self.scale.frames or self.study.frames)

    @property
    def results(self) -> Path:
        """The folder of the results to keep, beside the experiment."""
        return places.files("experiments")[self.name].parent / "results"

    @property
    def whole(self) -> bool:
        """Whether it is the experiment as written, whose results are worth keeping."""
        return self.scale == FULL and not self.overrides


def make_plan(name: str, overrides: Sequence[str] = (), *, scale: Scale = FULL, root: Path = Path("runs")) -> Plan:
    """What a study would do.

    Args:
        name: of an experiment with a study.
        overrides: of the trainings, besides the experiment's own.
        scale: how much of it.
        root: folder of all runs.

    Raises:
        ValueError: the experiment, the study or one of its trainings or streams is wrong.
    """
    require_study(name)
    base = configuration.compose([f"experiments={name}"])
    study = read_study(configuration.plain(base)["study"], name)
    require_honest(study, str(base.hydra.runtime.choices["reward"]))
    axes = [key for key in base.hydra.sweeper.params or {} if key != SEED]
    students = [
        student
        for variant, more in (study.variants or {"": ()}).items()
        for student in students_of(name, variant, [*rooted(more, root), *scale.overrides, *overrides], axes, root)
    ]
    seeds = list(dict.fromkeys(student.seed for student in students))[: scale.seeds]
    kept = [student for student in students if student.seed in seeds]
    cells = cells_of(kept, study.streams)
    check_cells(study, cells)
    for cell in cells:
        check_stream(cell)
    unlike = f"-{hashlib.sha256(' '.join(overrides).encode()).hexdigest()[:8]}" if overrides else ""
    different = tuple({student.digest: student for student in kept}.values())
    folder = root / "studies" / f"{name}{scale.suffix}{unlike}"
    return Plan(name, study, different, tuple(cells), folder, root, scale, tuple(overrides))


def require_study(name: str) -> None:
    """Refuse what is no experiment. Raises ValueError."""
    if name not in studies():
        raise ValueError(f"study {name!r} is unknown; allowed: {', '.join(studies())}")


def studies() -> dict[str, str]:
    """The question of every experiment that is a study."""
    found = {}
    for name, path in places.files("experiments").items():
        if "\nstudy:" in path.read_text(encoding="utf-8"):
            found[name] = str(configuration.compose([f"experiments={name}"]).study.get("question", ""))
    return found


def rooted(words: Sequence[str], root: Path) -> list[str]:
    """The same with real folders in it."""
    return [word.replace(RUNS, f"{root}/").replace(SHIPPED, f"{places.ROOT}/") for word in words]


def students_of(name: str, variant: str, overrides: Sequence[str], axes: Sequence[str], root: Path) -> list[Student]:
    """All students of one variant: one for every combination of the experiment's axes."""
    jobs = train.plan([f"experiments={name}", *COMMON, *overrides], multirun=True)
    return [student_of(job, variant, axes, root) for job in jobs]


def student_of(job: Job, variant: str, axes: Sequence[str], root: Path) -> Student:
    """The student of one combination."""
    chosen = {override.partition("=")[0]: override for override in job.overrides}
    levels = {axis: level_of(chosen[axis]) for axis in axes} | ({VARIANTS: variant} if variant else {})
    job.config.run_dir = str(root / "students" / config_hash(configuration.plain(job.config)))
    seed = int(job.config.seed)
    label = ", ".join([*levels.values(), f"seed {seed}"])
    return Student(levels, seed, replace(job, label=label, sweep=None))


def cells_of(students: Sequence[Student], streams: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Students of the same levels, under every stream."""
    groups: dict[tuple[str, ...], list[Student]] = {}
    for student in students:
        groups.setdefault(tuple(student.levels.values()), []).append(student)
    return [
        Cell(
            name=", ".join([*same[0].levels.values(), *([stream] if stream else [])]) or ALL,
            levels={**same[0].levels, **({STREAMS: stream} if stream else {})},
            students=tuple(same),
            stream=tuple(overrides),
        )
        for same in groups.values()
        for stream, overrides in (streams or {"": ()}).items()
    ]


def check_cells(study: Study, cells: Sequence[Cell]) -> None:
    """Refuse a study whose reference or factors are not among its cells. Raises ValueError."""
    names, axes = [cell.name for cell in cells], list(cells[0].levels)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"study: two cells are called {twice!r}; levels must tell them apart")
    if study.reference not in names:
        raise ValueError(f"study.reference is {study.reference!r}; allowed: {'; '.join(names)}")
    for factor, axis in study.factors.items():
        if axis not in axes:
            raise ValueError(f"study.factors: {factor} is {axis!r}; allowed: {', '.join(axes)}")


def check_stream(cell: Cell) -> None:
    """Refuse a way to stream that does not suit a cell's students. Raises ValueError."""
    config = cell.students[0].job.config
    noted = json.loads(notes_of(config, configuration.plain(config))["stream"])
    try:
        stream = config_of(noted, "its export", sink=None, overrides=cell.stream)
        configuration.build(stream, "rollout")
    except ValueError as error:
        raise ValueError(f"study.streams: {cell.name}: {error}") from error
