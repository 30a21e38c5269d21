"""The files that describe what to install agree with each other."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DEV = PROJECT["optional-dependencies"]["dev"]
WANTED = [Requirement(text) for text in PROJECT["dependencies"] + DEV]
COMPILED = (ROOT / "requirements.txt").read_text(encoding="utf-8")
FRONT_DOOR = ["Makefile", "requirements.txt", "environment.yml", "pyproject.toml", ".pre-commit-config.yaml", ".ci/run"]


def environment() -> list[Any]:
    loaded = OmegaConf.to_container(OmegaConf.load(ROOT / "environment.yml"))
    assert isinstance(loaded, dict)
    dependencies: list[Any] = loaded["dependencies"]
    return dependencies


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_every_dependency_is_pinned_within_its_range(wanted: Requirement) -> None:
    pins = [Requirement(line) for line in COMPILED.splitlines() if re.match(r"\w", line)]
    versions = [pin.specifier for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    assert versions, f"{wanted.name} is not in requirements.txt; run `make requirements`"
    for version in versions:
        assert next(iter(wanted.specifier.filter([next(iter(version)).version])), None), (
            f"{wanted} is pinned to {version}"
        )


def test_conda_users_get_the_same() -> None:
    python = next(entry for entry in environment() if isinstance(entry, str) and entry.startswith("python"))
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    [from_pip] = [entry["pip"] for entry in environment() if isinstance(entry, dict)]
    assert from_pip == ["--editable .[dev]"]
    assert "pip" in environment()
    assert "name: reward-forcing" in (ROOT / "environment.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("package", "withdrawn"), [("lightning", "2.6.2"), ("lightning", "2.6.3")])
def test_withdrawn_releases_are_shut_out(package: str, withdrawn: str) -> None:
    [wanted] = [wanted for wanted in WANTED if wanted.name == package]
    assert withdrawn not in wanted.specifier
    assert f"{package}=={withdrawn}\n" not in COMPILED


def test_the_promised_versions() -> None:
    floors = {wanted.name: str(wanted.specifier) for wanted in WANTED}
    assert PROJECT["requires-python"] == ">=3.11"
    assert floors["torch"] == ">=2.11"
    assert floors["lightning"] == ">=2.6.4"


@pytest.mark.parametrize("name", FRONT_DOOR)
def test_no_addresses_of_package_indices(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|git\+", text)


def test_a_wheel_brings_what_the_program_reads() -> None:
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {name: f"reward_forcing/{name}" for name in ("checkpoints", "configs", "experiments")}
    assert all((ROOT / name).is_dir() for name in included)


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    explained = set(re.findall(r'@echo "make (\w+) ', makefile))
    assert {"setup", "demo", "test", "check", "format"} <= explained


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((.+?\.md)\)", index))
    assert linked == {path.name for path in folder.glob("*.md")} - {"README.md"}
