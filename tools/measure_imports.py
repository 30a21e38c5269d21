"""How long the algorithm library takes to import, beyond torch itself, and how soon the command line answers.

`python tools/measure_imports.py`; the best of several runs, each in a fresh interpreter.
"""

import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
LIBRARY = ("shapes", "flow", "seeding", "memory.policy", "networks.wan", "losses.score_gap", "rollout")


def beyond_torch() -> float:
    """Seconds of importing the library where torch is imported already."""
    library = ", ".join(f"reward_forcing.{name}" for name in LIBRARY)
    code = f"import time, torch; start = time.perf_counter(); import {library}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def answer() -> float:
    """Seconds until `reward-forcing --help` has answered."""
    start = time.perf_counter()
    program = Path(sys.executable).parent / "reward-forcing"
    subprocess.run([str(program), "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures and what is allowed."""
    for name, measure, allowed in (
        ("library, beyond torch", beyond_torch, 0.5),
        ("reward-forcing --help", answer, 1.5),
    ):
        print(f"{name}  {min(measure() for _ in range(RUNS)):5.2f} s   allowed: {allowed}")


if __name__ == "__main__":
    main()
