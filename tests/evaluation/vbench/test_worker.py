"""What runs in the other interpreter: old Python, nothing of ours, the package's own entry points."""

import ast
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from evaluation.vbench import worker

JOB: dict[str, Any] = {
    "dimension": "scene",
    "mode": "vbench_standard",
    "videos": "/out/videos",
    "full_info": "/out/full_info.json",
    "output": "/out/dimensions/scene",
    "prompts": [],
    "device": "cpu",
    "local": True,
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What a package of that name is called with."""
    made: list[tuple[Any, ...]] = []

    class VBench:
        def __init__(self, *given: Any) -> None:
            made.append(given)

        def evaluate(self, **given: Any) -> None:
            made.append(tuple(sorted(given.items(), key=lambda pair: pair[0])))

    package = ModuleType("vbench")
    package.VBench = VBench  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vbench", package)
    return made


def write(folder: Path, **changed: Any) -> str:
    (folder / "job.json").write_text(json.dumps(JOB | changed))
    return str(folder / "job.json")


def test_jobs_are_handed_over(tmp_path: Path, calls: list[tuple[Any, ...]]) -> None:
    worker.main(write(tmp_path))
    assert calls[0] == (torch.device("cpu"), "/out/full_info.json", "/out/dimensions/scene")
    assert dict(calls[1]) == {
        "videos_path": "/out/videos",
        "name": "vbench",
        "prompt_list": [],
        "dimension_list": ["scene"],
        "local": True,
        "read_frame": False,
        "mode": "vbench_standard",
        "imaging_quality_preprocessing_mode": "longer",
    }


def test_prompts_are_given_by_file(tmp_path: Path, calls: list[tuple[Any, ...]]) -> None:
    worker.main(write(tmp_path, mode="custom_input", prompts={"video 00000-0.mp4": "a fox"}))
    assert dict(calls[1])["prompt_list"] == {"video 00000-0.mp4": "a fox"}


def test_where_torch_is_not_there_a_name_will_do(
    tmp_path: Path, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    worker.main(write(tmp_path))
    assert calls[0][0] == "cpu"


def test_old_interpreters_understand_it() -> None:
    text = inspect.getsource(worker)
    tree = ast.parse(text, feature_version=(3, 8))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert set(imported) <= sys.stdlib_module_names, "there is nothing of ours there"
    assert "|" not in text, "unions of types are younger"
