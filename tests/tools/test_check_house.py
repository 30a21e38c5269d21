import subprocess
import sys
from pathlib import Path

import pytest

from tools import check_house
from tools.check_house import Finding

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house that holds all limits."""
    write(tmp_path, "src/room.py", "def one() -> int:\n    return 1\n")
    write(tmp_path, "tests/test_room.py", "def test_one() -> None:\n    assert 1 == 1\n    assert 2 == 2\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def broken(root: Path) -> list[Finding]:
    return [finding for finding in check_house.check(root) if not finding.held]


def function(name: str, lines: int) -> str:
    return f"def {name}() -> None:\n" + "".join(f"    {name}_{line} = {line}\n" for line in range(lines - 1))


def test_a_good_house_holds(house: Path) -> None:
    assert broken(house) == []


def test_long_files(house: Path) -> None:
    write(house, "tests/test_long.py", "\n" * 301)
    [finding] = broken(house)
    assert finding.limit == "longest file"
    assert finding.measured == 301
    assert "tests/test_long.py: 301 lines" in str(finding)
    write(house, "tests/test_long.py", "\n" * 300)
    write(house, "src/reward_forcing/rewards/video_align.py", "\n" * 300 + "x = 1\n" * 2)
    write(house, "tests/test_more.py", "\n" * 10)
    assert broken(house) == []


def test_endless_functions(house: Path) -> None:
    write(house, "tests/test_endless.py", function("test_endless", 61))
    [finding] = broken(house)
    assert finding.limit == "longest function, in lines"
    assert "test_endless.py:1 test_endless: 61 lines" in finding.worst[0]


def test_long_functions_and_their_share(house: Path) -> None:
    write(house, "src/long.py", function("long", 31))
    write(house, "tests/test_more.py", "\n" * 100)
    limits = {finding.limit: finding.measured for finding in broken(house)}
    assert limits == {"share of functions over 30 lines": 0.5, "median function, in lines": 16.5}


REPEATED = "".join(f"value_{line} = {line}\n" for line in range(6))


def test_repetition_is_found_across_layout_and_comments(house: Path) -> None:
    write(house, "src/first.py", REPEATED)
    write(house, "tests/test_second.py", '"""Said again."""\n\nimport os\n\n' + REPEATED.replace("\n", "  # why\n\n"))
    [finding] = broken(house)
    assert finding.limit.startswith("share of repeated lines")
    assert finding.measured == pytest.approx(12 / 17)
    assert finding.worst == ["src/first.py:1 = tests/test_second.py:5"]


def test_five_equal_lines_are_no_repetition(house: Path) -> None:
    write(house, "src/first.py", REPEATED.replace("value_5", "other"))
    write(house, "tests/test_second.py", REPEATED)
    assert broken(house) == []


def test_too_few_tests(house: Path) -> None:
    write(house, "src/more.py", "\n" * 10)
    [finding] = broken(house)
    assert finding.measured == pytest.approx(3 / 12)


def test_the_command_says_all_limits_and_whether_they_hold() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/check_house.py")], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok", "FAIL"))]
    assert len(lines) == 6
    assert done.returncode == int(any(line.startswith("FAIL") for line in lines))
