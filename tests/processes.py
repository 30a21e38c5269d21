"""Python in several processes, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def torchrun(*arguments: str, timeout: float = 300, status: int = 0) -> str:
    """Run `-m MODULE ...` in two processes; what they said, errors included.

    Args:
        arguments: as of torchrun.
        timeout: in seconds.
        status: that torchrun must end with.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launcher, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr[-6000:]
    return done.stdout + done.stderr
