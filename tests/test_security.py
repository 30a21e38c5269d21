"""What no file, caption, archive or variable of the environment may do."""

import ast
import io
import os
import pickle
import re
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from reward_forcing.codecs.files import unpickled
from reward_forcing.data.tar import members, read_bytes

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "evaluation", "benchmarks", "tools")
CODE = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
RUN_CODE = {"eval", "exec", "pickle.load", "pickle.loads", "torch.hub.load", "yaml.load", "shelve.open", "os.system"}
CAN_HOLD_CODE = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}
"""Modules that read formats in which there may be code."""

DATED = {f"src/reward_forcing/{name}.py" for name in ("callbacks/progress_notes", "sweeps/record", "study/outcome")}
DATED |= {"benchmarks/common.py"}
"""Files that write down on which day something was done, and measure nothing by it."""


def calls(path: Path) -> Iterator[tuple[str, str, dict[str, ast.expr]]]:
    """Every call of a file: where, of what, and its keywords."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), given


EVERY = [call for path in CODE for call in calls(path)]


def is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def test_pickles_are_loaded_with_weights_only_and_nothing_is_evaluated() -> None:
    loads = [call for call in EVERY if call[1] == "torch.load"]
    assert loads, "the search works"
    assert [place for place, _, given in loads if not is_true(given.get("weights_only"))] == []
    assert [place for place, _, given in EVERY if "weights_only" in given and not is_true(given["weights_only"])] == []
    assert [place for place, name, _ in EVERY if name in RUN_CODE] == []
    assert [place for place, name, given in EVERY if name.endswith("np.load") and "allow_pickle" in given] == []
    assert [place for place, _, given in EVERY if is_true(given.get("shell"))] == []


def imported(path: Path) -> set[str]:
    """The packages a file imports, by their first names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_formats_that_can_hold_code_are_read_in_few_places() -> None:
    """`codecs/files.py` needs the name of an error; the other one refuses what is not data, before torch reads it."""
    pickles = {str(path.relative_to(ROOT)) for path in CODE if imported(path) & CAN_HOLD_CODE}
    held = {f"src/reward_forcing/{name}.py" for name in ("codecs/files", "modules/sharded_checkpoints")}
    assert pickles == held
    programs = {place.partition(":")[0] for place, name, _ in EVERY if name == "torch.jit.load"}
    assert programs == {"evaluation/networks/video_features.py"}, "which docs/security.md tells"


def test_pages_escape_whatever_they_show() -> None:
    """What they show of a nasty prompt: tests/evaluation/report/test_page.py."""
    pages = [given for _, name, given in EVERY if name.rpartition(".")[2] == "Environment"]
    assert pages
    assert all(is_true(given.get("autoescape")) for given in pages)
    assert [place for place, name, _ in EVERY if name.rpartition(".")[2] == "Markup"] == []
    templates = [path.read_text(encoding="utf-8") for path in ROOT.glob("evaluation/**/*.html.j2")]
    assert templates
    assert not any(re.search(r"\|\s*safe\b|autoescape", text) for text in templates)


def environments(path: Path) -> Iterator[str]:
    """Where a file takes all of the environment: neither one variable of it nor whether it is there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
            parent = parents[node]
            one = isinstance(parent, ast.Attribute | ast.Compare) or (
                isinstance(parent, ast.Subscript) and parent.value is node
            )
            if not one:
                yield str(path.relative_to(ROOT))


def test_the_environment_goes_to_processes_only() -> None:
    """Tokens are in it: nothing writes it down (tests/faults look for one in what commands write and say)."""
    whole = {place for path in CODE for place in environments(path) if not place.startswith("benchmarks/")}
    assert whole == {"src/reward_forcing/sweeps/processes.py", "evaluation/vbench/interpreter.py"}


def test_durations_do_not_depend_on_the_time_of_day() -> None:
    """A clock that is set, or jumps, changes no figure and no wait."""
    assert [place for place, name, _ in EVERY if name in ("time.time", "time.ctime", "time.localtime")] == []
    asked = {place.partition(":")[0] for place, name, _ in EVERY if name.endswith(("datetime.now", "datetime.utcnow"))}
    assert asked <= DATED


def test_code_of_the_hub_is_never_run() -> None:
    assert [place for place, _, given in EVERY if is_true(given.get("trust_remote_code"))] == []


def test_archives_are_not_extracted_but_where_members_are_kept_inside() -> None:
    """A benchmark extracts commits of this repository; `filter="data"` refuses members that lie outside."""
    found = [call for call in EVERY if call[1].endswith((".extractall", ".extract", "unpack_archive"))]
    kept = [place for place, _, given in found if "filter" in given and ast.literal_eval(given["filter"]) == "data"]
    assert kept == [place for place, _, _ in found]
    assert {place.partition(":")[0] for place in kept} <= {"benchmarks/training.py"}


class Touches:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return os.makedirs, (str(self.path), "511")  # any function will do


@pytest.mark.parametrize("modern", [True, False])
def test_code_inside_a_file_of_weights_does_not_run(modern: bool, tmp_path: Path) -> None:
    file, sign = tmp_path / "a.pt", tmp_path / "sign"
    if modern:
        torch.save({"a": Touches(sign)}, file)
    else:
        file.write_bytes(pickle.dumps({"a": Touches(sign)}, protocol=2))
    with pytest.raises(ValueError, match="Python objects, which are never loaded: they could run code"):
        unpickled(file)
    assert not sign.exists()


def test_archives_are_read_where_they_lie(tmp_path: Path) -> None:
    """A member named `../outside` is a name, never a place: members are read, not extracted."""
    path = tmp_path / "in" / "a.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        for name in ("../outside.txt", "/tmp/absolute.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"hi"))
    before = set(tmp_path.rglob("*"))
    assert [read_bytes(path, member) for member in members(path)] == [b"hi", b"hi"]
    assert set(tmp_path.rglob("*")) == before


def test_the_withdrawn_releases_of_lightning_are_excluded() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert "lightning>=2.6.4" in wanted
    locked = (ROOT / "requirements.txt").read_text().splitlines()
    (lightning,) = [line for line in locked if line.startswith("lightning==")]
    assert tuple(map(int, lightning.partition("==")[2].split(" ")[0].split("."))) >= (2, 6, 4)
