"""What a small benchmark of scripted streams holds."""

import json
from dataclasses import replace
from typing import Any

from evaluation.speed.figures import Timed
from evaluation.speed.work import Ceiling, Work
from evaluation.speed.writing import content
from tests.evaluation.speed.scripted import World

WORK = Work(denoise=(1e9, 2e9, 3e9, 3e9), decode=(0.0, 1e9, 1e9, 1e9), memory=3 * 2**20)


def known(**settings: Any) -> dict[str, Any]:
    """A student and a stream of others, as they are read back from `speed.json`."""
    world = World()
    student = replace(world.student(), settings={"sink": "ema", **settings}, work=WORK)
    cells = [student, world.cell("theirs|x", [0.5] * 4, ramp=None, leak=2**20)]
    speeds = world.measure(*cells)
    ceilings = [Ceiling(2e10, "products", 4e10), None]
    results = [Timed(speed, cell.work, each) for speed, cell, each in zip(speeds, cells, ceilings, strict=True)]
    written: dict[str, Any] = json.loads(json.dumps(content(results, cells, environment={"energy": "not measured"})))
    return written
