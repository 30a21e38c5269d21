"""The option `--config-dir`, which all commands that compose a config take."""

import argparse
from typing import Any

from reward_forcing.composition.places import search


def add_config_dir(to: argparse._ActionsContainer) -> None:
    """The option `--config-dir`: folders with options and experiments of one's own."""
    told = "look for config groups and experiments there, too (may be repeated)"
    to.add_argument("--config-dir", action=Search, metavar="DIR", dest=argparse.SUPPRESS, help=told)


class Search(argparse.Action):
    """Look for options in a folder, from now on."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None) -> None:  # noqa: ARG002 (argparse's names)
        """Do so, or refuse."""
        try:
            search(values)
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from error
