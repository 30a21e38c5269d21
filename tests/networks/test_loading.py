"""A network is never in memory twice: measured, on files of a few hundred megabytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reward_forcing.networks import weights
from reward_forcing.networks.wan import WanTransformer
from tests import tiny

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHARD = 60_000_000
SLACK = 1.15
"""For what libraries allocate on the way, as a share of the network."""

FOLDERS = ("folder:float32", "folder:bfloat16", "folder:float16", "half:bfloat16", "half:float32")
CONTAINERS = ("student.pt:float32", "student.pt:bfloat16")
CASES = (*FOLDERS, *CONTAINERS)
TWICE = "half:bfloat16:twice"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    """Loading an official folder of five files, one in bf16, and a container: 239 MB in fp32."""
    folder = tmp_path_factory.mktemp("large")
    network = WanTransformer(channels=16, dim=1024, ffn_dim=4096, heads=8, layers=3, text_dim=512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "SHARD_BYTES", SHARD)
        weights.save(folder / "folder", network, layout="official")
        weights.save(folder / "half", network, layout="official", dtype=torch.bfloat16)
    torch.save({"generator_ema": network.state_dict()}, folder / "student.pt")
    weights.save(folder / "small.safetensors", tiny.network())
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.networks.loading", str(folder), *CASES, TWICE],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_network_takes_its_own_size(measured: dict[str, dict[str, int]], case: str) -> None:
    """Memory that cannot be had back: the network, however often it is converted."""
    size, anonymous = (measured[case][name] for name in ("network", "RssAnon"))
    assert size > 1e8
    assert 0.9 * size < anonymous < SLACK * size


@pytest.mark.parametrize("case", FOLDERS)
def test_pages_of_one_file_come_on_top_while_it_is_read(measured: dict[str, dict[str, int]], case: str) -> None:
    assert measured[case]["VmRSS"] < SLACK * measured[case]["network"] + SHARD


def test_a_container_keeps_its_pages_until_it_is_read(measured: dict[str, dict[str, int]]) -> None:
    """A mapped file, which the kernel takes back when memory is short."""
    assert measured["student.pt:float32"]["VmRSS"] < SLACK * measured["student.pt:float32"]["network"]
    assert measured["student.pt:bfloat16"]["VmRSS"] < (2 + SLACK) * measured["student.pt:bfloat16"]["network"]


def test_a_second_copy_would_be_seen(measured: dict[str, dict[str, int]]) -> None:
    assert measured[TWICE]["RssAnon"] > 1.9 * measured[TWICE]["network"]
