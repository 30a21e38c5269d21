"""What `reward-forcing train --help` says: read from the configs themselves."""

import textwrap
from typing import Final

from reward_forcing.composition import places

USAGE = """\
usage: reward-forcing train [-m] [KEY=VALUE ...]

Train what a config says: by default, distil the toy student from the shipped checkpoints. Every key and value is
checked before anything is touched.

examples:
  reward-forcing train sink=ema loss=re_dmd                  choose options of groups
  reward-forcing train sink.decay=0.99 loss.beta=0.5         set values
  reward-forcing train experiments=toy_teacher               run a study from experiments/
  reward-forcing train run_dir=runs/mine resume=auto         continue a run that was stopped
  reward-forcing train -m sink=none,static,ema loss=dmd,re_dmd
                                                             one run for each combination, one table at the end
  reward-forcing train -m seed=0,1,2 hydra/launcher=joblib hydra.launcher.n_jobs=2
                                                             two at a time; the same command continues what was stopped
  reward-forcing train sink=static --cfg job                 show the whole config and stop

options:
  -m, --multirun     a list of values (a,b,c) means one run for each
  --cfg job          show the config instead of training; --resolve fills in ${...}
  --plan             show what the run would take (memory, operations, hours) and stop
  --config-dir DIR   look for groups and experiments there, too (may be repeated)
  -h, --help         this text

keys used most:
  seed               of all randomness
  name, run_dir      what the run is called, and the folder for everything it writes
  resume             never: start afresh; auto: continue what run_dir holds; PATH: continue from a checkpoint
  trainer.max_steps  optimiser steps
  sink.decay         weight of the old value in an averaging sink
  memory.window_frames  frames attended at once, sink and current chunk included
  loss.beta          sharpness of the reward
  checkpoints        shipped, or chain: what the toy chain wrote under runs/
"""


WIDTH: Final = 120


def help_text() -> str:
    """Usage, then every group with its options, then the experiments."""
    listed = [_entry(f"  {group + '=':13}", ", ".join(places.options(group))) for group in places.groups()]
    studies = places.options("experiments")
    wide = max(map(len, studies), default=0) + 2
    told = [_entry(f"  experiments={name:{wide}}", comment) for name, comment in studies.items()]
    return "\n".join([USAGE, "groups and their options:", *listed, "", "experiments:", *told])


def _entry(name: str, text: str) -> str:
    """A name and what is said of it, in lines of a terminal's width that begin in the same column."""
    return textwrap.fill(text, WIDTH, initial_indent=name, subsequent_indent=" " * len(name), break_on_hyphens=False)
