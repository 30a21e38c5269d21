"""The floors of the house, read from the source: arrows point down only, and heavy tools stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/reward_forcing"

FLOORS = (
    {"reward_forcing", "shapes"},
    {"memory", "codecs", "flow", "seeding", "toy", "videos", "machine", "allocation", "safekeeping"},
    {"networks", "rewards", "losses", "data"},
    {"switching", "engine"},
    {"rollout", "sampling"},
    {"modules"},
    {"callbacks"},
    {"composition", "run_folder", "exports", "plan"},
    {"sweeps"},
    {"train", "launching", "training_help", "generate", "starts", "scripts", "stream_notes", "streaming", "schedules"}
    | {"refusals", "trajectories", "video_folder", "convert", "delivery"},
    {"evaluation"},
    {"cli", "arguments", "benchmark_arguments", "data_arguments", "evaluation_arguments", "demo", "study"},
)
"""Rooms from the cellar to the roof; a room may import its own floor (without cycles) and those below it."""

LIBRARY = {"shapes", "flow", "seeding", "memory", "networks", "losses", "rewards", "rollout", "sampling", "codecs"}
LIBRARY |= {"switching", "engine"}
"""The algorithm: a plain PyTorch library."""

ENTRIES = {"train", "launching", "generate", "composition", "exports", "sweeps", "cli", "demo"}
ALLOWED = {
    "hydra": ENTRIES,
    "omegaconf": ENTRIES,
    "lightning": {"modules", "callbacks", "data", "train"},
    "torchmetrics": {"evaluation"},
    "matplotlib": {"evaluation", "demo"},
    "beartype": set(),
    "hypothesis": set(),
    "diffusers": {"codecs"},
}
"""Which rooms may import a tool at all."""


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent if path.is_relative_to(SOURCE) else ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    files = [*SOURCE.rglob("*.py"), *(ROOT / "evaluation").rglob("*.py")]
    return {module_name(path): path for path in sorted(files)}


def room(module: str) -> str:
    """The room a module of ours is in."""
    first, *rest = module.split(".")
    return rest[0] if first == "reward_forcing" and rest else first


def floor(name: str) -> int:
    return next((index for index, rooms in enumerate(FLOORS) if name in rooms), len(FLOORS))


def imported(path: Path, nodes: list[ast.stmt] | None = None) -> Iterator[str]:
    """Every module a file imports, anywhere in it (or in the given statements)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(ast.Module(body=nodes, type_ignores=[]) if nodes else tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room they enter"
            yield from (found_in(node.module or "", alias.name) for alias in node.names)


def found_in(module: str, name: str) -> str:
    """The module that `from module import name` reaches into."""
    return f"{module}.{name}" if f"{module}.{name}" in modules() else module


@cache
def arrows() -> dict[str, set[str]]:
    """For every module of ours, the modules of ours that it imports."""
    return {name: {target for target in imported(path) if target in modules()} for name, path in modules().items()}


def test_every_module_has_a_room() -> None:
    rooms = {room(module) for module in modules()}
    unknown = rooms - set().union(*FLOORS)
    assert not unknown, f"{', '.join(sorted(unknown))}: on no floor; add each to FLOORS where it belongs"


def test_every_import_of_ours_exists() -> None:
    for name, path in modules().items():
        ours = [target for target in imported(path) if target.split(".")[0] in {"reward_forcing", "evaluation"}]
        assert set(ours) <= set(modules()), f"{name} imports {set(ours) - set(modules())}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_arrows_point_down(name: str) -> None:
    for target in arrows()[name]:
        assert floor(room(target)) <= floor(room(name)), f"{name} imports {target}, which is on a higher floor"


def test_there_are_no_cycles() -> None:
    left = {name: set(targets) for name, targets in arrows().items()}
    while free := [name for name, targets in left.items() if not targets & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other: {', '.join(sorted(left))}"


@pytest.mark.parametrize("tool", sorted(ALLOWED))
def test_tools_stay_where_they_belong(tool: str) -> None:
    for name, path in modules().items():
        if any(target.split(".")[0] == tool for target in imported(path)):
            assert room(name) in ALLOWED[tool], f"{name} imports {tool}; allowed in {', '.join(sorted(ALLOWED[tool]))}"


def test_nothing_but_the_roof_knows_evaluation() -> None:
    for name, targets in arrows().items():
        if room(name) not in {"evaluation", "cli", "demo", "study"}:
            assert not any(room(target) == "evaluation" for target in targets), name


def test_packages_export_nothing() -> None:
    for name, path in modules().items():
        if path.name == "__init__.py":
            assert not path.read_text(encoding="utf-8").strip(), f"{name}: import from the module that defines a name"


def test_tests_are_no_packages() -> None:
    """A package `tests/codecs` would shadow the standard library's `codecs`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_importing_the_algorithm_brings_nothing_heavy() -> None:
    """Half a second beyond torch leaves room for jaxtyping and safetensors, and for none of these."""
    library = [name for name in modules() if room(name) in LIBRARY]
    heavy = [
        "lightning",
        "hydra",
        "omegaconf",
        "torchmetrics",
        "transformers",
        "matplotlib",
        "torchvision",
        "av",
        "PIL",
    ]
    code = f"import {', '.join(library)}; import sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert done.stdout.strip() == "[]"
