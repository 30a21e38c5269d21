"""Training on any device: steps in bf16 change what they should, and a run goes on where it was saved."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import Reports, distillation, fit

HALF, STEPS = 2, 4

pytestmark = pytest.mark.filterwarnings("ignore")


def on(device: torch.device) -> dict[str, Any]:
    """A trainer's settings."""
    return {"accelerator": "gpu" if device.type == "cuda" else "cpu"}


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


def test_steps_in_bf16_train_both_networks_in_fp32(device: torch.device) -> None:
    module, reports = distillation(), Reports()
    before = weights(module)
    fit(module, HALF, reports, precision="bf16-mixed", **on(device))
    after = weights(module)
    moved = {name.partition(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert {"student", "fake_score"} <= moved, "a step of each"
    assert {value.dtype for value in module.student.parameters()} == {torch.float32}
    assert all(value.isfinite().all() for value in after.values())
    assert all(torch.as_tensor(value).isfinite().all() for report in reports.all for value in report.values())


def test_a_run_goes_on_where_it_was_saved(device: torch.device, tmp_path: Path) -> None:
    """To rounding: a GPU sums gradients in whatever order its threads end."""
    whole, first, second = distillation(), distillation(), distillation()
    fit(whole, STEPS, **on(device))
    fit(first, HALF, **on(device)).save_checkpoint(tmp_path / "half.ckpt")
    fit(second, STEPS, resume=tmp_path / "half.ckpt", first=HALF, **on(device))
    rtol, atol = (0.0, 0.0) if device.type == "cpu" else (1e-3, 1e-4)
    torch.testing.assert_close(weights(second), weights(whole), rtol=rtol, atol=atol)
