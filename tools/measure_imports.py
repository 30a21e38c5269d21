"""How long the algorithm library takes to import, beyond torch itself, and how soon the command line answers.

`python tools/measure_imports.py`; the best of several runs, each in a fresh interpreter.
"""

import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
LIBRARY = ("shapes", "flow", "seeding", "memory.policy", "networks.wan", "losses.score_gap", "rollout")


def seconds(*command: str) -> float:
    """The shortest time a command takes."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the figures and what is allowed."""
    python, library = sys.executable, ", ".join(f"reward_forcing.{name}" for name in LIBRARY)
    beyond = seconds(python, "-c", f"import torch, {library}") - seconds(python, "-c", "import torch")
    answer = seconds(str(Path(python).parent / "reward-forcing"), "--help")
    print(f"library, beyond torch  {beyond:5.2f} s   allowed: 0.5")
    print(f"reward-forcing --help  {answer:5.2f} s   allowed: 1.5")


if __name__ == "__main__":
    main()
