"""`reward-forcing study NAME`: what can be asked of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reward_forcing.composition.searching import add_config_dir
from reward_forcing.study.planning import studies
from reward_forcing.study.running import run
from reward_forcing.study.writing import write

EXAMPLES = """examples:
  reward-forcing study --list
  reward-forcing study sink_x_loss --jobs 2     (stopped at any time, the same command goes on)
  reward-forcing study sink_x_loss --fast       (does everything work?)
  reward-forcing study sink_x_loss trainer.max_steps=600 seed=0,1,2,3
  reward-forcing study --write                  (committed results into the pages that show them)"""


def main(arguments: Sequence[str]) -> int:
    """Do what is asked for; the exit status: 0 done, 1 a training failed, 130 stopped on request.

    Raises:
        ValueError: the study is wrong, or none is named.
    """
    given = parser().parse_intermixed_args(arguments)
    if given.list:
        return say("\n".join(f"{name}: {question}" for name, question in studies().items()))
    if given.write:
        return say("\n".join(["written:", *map(str, write())]))
    if given.name is None:
        raise ValueError("study: name one; `reward-forcing study --list` shows all")
    if given.jobs < 1:
        raise ValueError(f"study: jobs is {given.jobs}; it must be at least 1")
    settings = {key: getattr(given, key) for key in ("fast", "jobs", "runs", "results")}
    return run(given.name, given.overrides, **settings)


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        "reward-forcing study",
        description="Answer a question: train, stream and judge all cells of an experiment; write what was found.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("name", nargs="?", help="of an experiment with a study")
    add("overrides", nargs="*", metavar="KEY=VALUE", help="of its trainings, as for `reward-forcing train`")
    add("--list", action="store_true", help="all studies and their questions")
    add("--fast", action="store_true", help="a smoke test: 2 steps, 2 prompts, 24 frames, at most 2 training seeds")
    add("--jobs", type=int, default=2, help="how much is done side by side, one thread each (default: %(default)s)")
    add("--runs", type=Path, default=Path("runs"), help="folder of all runs, shared by studies (default: %(default)s)")
    add("--results", type=Path, help="folder of the results to keep (default: results, beside the experiment)")
    add_config_dir(made)
    add("--write", action="store_true", help="only write known results into the pages that show them")
    return made


def say(text: str) -> int:
    """Tell the user."""
    sys.stdout.write(f"{text}\n")
    return 0
