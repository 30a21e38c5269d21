from pathlib import Path

import pytest

from benchmarks.checkpointing import checkpointing
from tests import small_runs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_checkpoints_take_time_and_bytes(tmp_path: Path) -> None:
    """Alone and in two parts: three networks, and two moments for each of two of them."""
    measured = checkpointing([*small_runs.SMALL, *small_runs.write_exports(tmp_path)])
    assert measured.keys() == {"alone", "sharded_over_two"}
    network = (tmp_path / "teacher.safetensors").stat().st_size
    for one in measured.values():
        assert min(one["seconds"], one["step_seconds"]) > 0
        assert one["bytes"] > 6 * network
