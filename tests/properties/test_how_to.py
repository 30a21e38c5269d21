"""The how-to pages keep their word: one file and one yaml, and the new variant streams, trains and passes the sweep."""

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from reward_forcing.composition.configuration import build, compose
from reward_forcing.composition.places import SEARCHED
from reward_forcing.losses.protocols import LossStrategy
from reward_forcing.memory.kv import KV
from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy
from reward_forcing.modules.distillation import Distillation
from tests import training
from tests.tiny import judged, normal, random_kv

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> dict[str, str]:
    """The python and yaml blocks of a page, by the path written before them."""
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    return dict(re.findall(r"`((?:src|configs)/[^`]+)`[^`]*?```\w+\n(.*?)```", text, re.DOTALL))


def follow(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what a page says, beside the package instead of inside it."""
    for path, content in blocks(page).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    for file in (folder / "src").rglob("*.py"):
        name = ".".join(file.relative_to(folder / "src").parent.parts)
        package = importlib.import_module(name)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
        monkeypatch.delitem(sys.modules, f"{name}.{file.stem}", raising=False)
    monkeypatch.setenv(SEARCHED, str(folder / "configs"))


def composed(group: str, overrides: list[str]) -> Any:
    return build(compose(overrides), group)


def trained(module: Distillation) -> bool:
    """Whether a student's turn changes the student."""
    before = [parameter.clone() for parameter in module.student.parameters()]
    training.fit(module, 1)
    return any(not torch.equal(*pair) for pair in zip(before, module.student.parameters(), strict=True))


def test_a_new_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow("add-a-sink.md", tmp_path, monkeypatch)
    sink = composed("sink", ["sink=loudest", "sink.frames=1", "sink.margin=0.0"])
    assert isinstance(sink, SinkStrategy)
    one, other = random_kv(1, 1, 1), random_kv(1, 1, 2)
    folded: KV = sink.fold(one, other)
    longest = torch.maximum(one.keys.norm(dim=-1), other.keys.norm(dim=-1))
    assert torch.equal(folded.keys.norm(dim=-1), longest)
    module = training.distillation()
    module.rollout = replace(module.rollout, memory=MemoryPolicy(sink=sink, window_frames=3, chunk_frames=1))
    assert trained(module)


def test_a_new_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow("add-a-loss.md", tmp_path, monkeypatch)
    loss = composed("loss", ["loss=softplus", "loss.beta=1.5"])
    assert isinstance(loss, LossStrategy)
    torch.testing.assert_close(loss.weights(judged(normal(4))), (1 + (1.5 * normal(4)).exp()).log2())
    assert trained(training.distillation(loss))


def complaints(code: str, folder: Path) -> str:
    """What ruff says about a page's code."""
    (folder / "page.py").write_text(code, encoding="utf-8")
    given = [sys.executable, "-m", "ruff"]
    config = [f"--config={ROOT / 'pyproject.toml'}", str(folder / "page.py")]
    done = [
        subprocess.run([*given, *command.split(), *config], capture_output=True, text=True, check=False)
        for command in ("check", "format --check")
    ]
    return "".join(one.stdout for one in done if one.returncode)


@pytest.mark.parametrize("page", ["add-a-sink.md", "add-a-loss.md", "add-a-reward.md"])
def test_the_pages_hold_clean_code(page: str, tmp_path: Path) -> None:
    files = blocks(page)
    assert {Path(path).suffix for path in files} == {".py", ".yaml"}
    code = next(content for path, content in files.items() if path.endswith(".py"))
    assert complaints(code, tmp_path) == ""
