"""What docs/how-to/evaluate.md shows works as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.evidence import Evidence, look
from evaluation.measure import Measure
from tests.evaluation.made import MOVING, truth

PAGE = (Path(__file__).parents[2] / "docs/how-to/evaluate.md").read_text(encoding="utf-8")


def block(heading: str) -> str:
    """The python code under a heading."""
    found = re.search(rf"## {heading}\n.*?```python\n(.*?)```", PAGE, re.DOTALL)
    assert found, heading
    return found.group(1)


def test_a_new_metric() -> None:
    space: dict[str, Any] = {"Evidence": Evidence, "Measure": Measure}
    exec(f"from jaxtyping import Float\nfrom torch import Tensor\n{block('Add a metric')}", space)
    (measure,) = space["MEASURES"]
    still = look(truth(1).expand(-1, 9, -1, -1, -1), MOVING)
    assert measure(still).tolist() == [1, 1, 1]
    assert (measure(look(truth(9), MOVING)) < 1).all()


def test_metrics_in_a_training_loop() -> None:
    space: dict[str, Any] = {"videos": truth(16), "prompts": MOVING}
    exec(block("In a training loop"), space)
    assert space["metric"].compute() == pytest.approx(torch.tensor([*space["metric"].per_video().values()]).mean())
