"""Python in several processes, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAUNCHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def begin(*arguments: str) -> subprocess.Popen[str]:
    """Start `-m MODULE ...`, or whatever torchrun takes, in two processes."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen([*LAUNCHER, *arguments], cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def torchrun(*arguments: str, timeout: float = 600) -> str:
    """Run it to its good end, within some seconds; what it said."""
    started = begin(*arguments)
    try:
        said, errors = started.communicate(timeout=timeout)
    finally:
        started.kill()
    assert started.returncode == 0, errors[-6000:]
    return said
