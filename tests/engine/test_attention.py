"""Every way to compute attention agrees with its definition, and the choice among them is one that can be wrong."""

import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reward_forcing.engine import attention
from reward_forcing.engine.attention import (
    KERNELS,
    NAMES,
    PACKAGES,
    ROUGH,
    ROUGH_NAMES,
    SDPA,
    Shape,
    Trial,
    compared,
    kernel_for,
    lacking,
    tried,
)
from tests import tiny

SHAPE = Shape("cpu", torch.float32, heads=2, queries=5, keys=7, head_dim=4)


def inputs(batch: int = 2, queries: int = 5, keys: int = 7) -> list[Tensor]:
    return [tiny.normal(batch, 3, count, 4, seed=seed) for seed, count in enumerate((queries, keys, keys))]


def definition(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """In fp64: exp(q k / sqrt(d)) / sum, times v."""
    scores = torch.einsum("bhqd,bhkd->bhqk", queries.double(), keys.double()) / queries.shape[-1] ** 0.5
    shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return torch.einsum("bhqk,bhkd->bhqd", shares, values.double()).to(queries.dtype)


@pytest.mark.parametrize("name", KERNELS["cpu"])
@pytest.mark.parametrize("keys", [1, 7])
def test_it_is_softmax_attention(name: str, keys: int) -> None:
    given = inputs(keys=keys)
    assert_close(KERNELS["cpu"][name](*given), definition(*given))


@pytest.mark.parametrize("name", KERNELS["cpu"])
def test_heads_may_lie_behind_tokens(name: str) -> None:
    given = [states.transpose(1, 2).contiguous().transpose(1, 2) for states in inputs()]
    assert_close(KERNELS["cpu"][name](*given), definition(*given))


def test_products_take_some_queries_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = attention.products(*inputs())
    for rows in (0, 1, 2, 4):
        monkeypatch.setattr(attention, "SCORES_BYTES", rows * 7 * 4)
        assert_close(attention.products(*inputs()), whole)


def test_in_bf16_products_are_as_near_as_the_fused_kernel() -> None:
    given = [states.bfloat16() for states in inputs(1, 64, 64)]
    wanted = definition(*given).float()
    off = {name: float((kernel(*given).float() - wanted).abs().max()) for name, kernel in KERNELS["cpu"].items()}
    assert off["products"] < max(4 * off[SDPA], 0.03)


def busy(seconds: float) -> Callable[..., Tensor]:
    """Attention that takes so much longer, and computes all the while."""

    def attend(*given: Tensor) -> Tensor:
        started = time.thread_time()
        while time.thread_time() < started + seconds:
            pass
        return attention.sdpa(*given)

    return attend


slow = busy(0.002)


def wrong(*given: Tensor) -> Tensor:
    return attention.sdpa(*given) * 1.1


def missing(*given: Tensor) -> Tensor:  # noqa: ARG001
    raise ImportError("No module named 'quick'")


def broken(*given: Tensor) -> Tensor:  # noqa: ARG001
    raise RuntimeError("no such device")


def test_the_fastest_is_chosen() -> None:
    trial = compared({"slow": slow, "quick": attention.sdpa}, inputs())
    assert trial.chosen == "quick"
    assert trial.seconds["quick"] < trial.seconds["slow"]
    assert str(trial) == "quick"


def test_a_little_faster_is_not_enough() -> None:
    assert compared({"right": busy(0.02), "other": busy(0.019)}, inputs()).chosen == "right"


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (wrong, "other is off by 0.1 of the largest value"),
        (missing, "other not found (No module named 'quick')"),
        (broken, "other fails (no such device)"),
    ],
)
def test_what_does_not_work_is_out_and_says_why(kernel: Callable[..., Tensor], reason: str) -> None:
    trial = compared({SDPA: slow, "other": kernel}, inputs())
    assert trial.chosen == SDPA
    assert str(trial) == f"{reason}: using sdpa"


def test_flash_attention_is_announced_where_it_is_missing() -> None:
    """On this machine; with it installed the trial on a GPU decides. What torch has takes what it is given anywhere."""
    trial = compared(KERNELS["cuda"], inputs())
    assert {"flash_attention_3", SDPA, "cudnn"} == {*trial.out, *trial.seconds}
    assert "flash_attention_3 not found (" in str(trial)
    assert str(trial).endswith(f": using {trial.chosen}")


def test_a_trial_tells_what_is_not_there(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(attention.KERNELS, "cpu", {SDPA: slow, "quick": missing})
    tried(replace(SHAPE, keys=9))
    assert caplog.messages == ["engine.attention: quick not found (No module named 'quick'): using sdpa"]


def test_a_shape_is_tried_once() -> None:
    first = tried(SHAPE)
    assert tried(SHAPE) is first
    assert first.chosen in KERNELS["cpu"]
    assert isinstance(first, Trial)


def test_large_shapes_are_tried_on_one_head() -> None:
    assert [states.shape[1] for states in SHAPE.inputs] == [2, 2, 2]
    large = Shape("cpu", torch.bfloat16, heads=12, queries=4096, keys=8192, head_dim=8)
    assert [tuple(states.shape) for states in large.inputs] == [(1, 1, 4096, 8), (1, 1, 8192, 8), (1, 1, 8192, 8)]
    assert large.inputs[0].dtype == torch.bfloat16


def test_a_kernel_is_found_by_its_name() -> None:
    assert kernel_for("products", SHAPE) is attention.products
    assert kernel_for("probe", SHAPE) is KERNELS["cpu"][tried(SHAPE).chosen]
    assert set(NAMES) == {"probe", *KERNELS["cpu"], *KERNELS["cuda"], *ROUGH["cuda"]}


def test_approximations_are_never_tried() -> None:
    assert not {*ROUGH_NAMES} & {name for kernels in KERNELS.values() for name in kernels}
    assert set(PACKAGES) == {*ROUGH_NAMES, "flash_attention_3"}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_missing_is_told_with_where_to_get_it(name: str) -> None:
    """None of them is installed where there is no GPU."""
    package = PACKAGES[name]
    if importlib.util.find_spec(package) is None:
        with pytest.raises(ValueError, match=f"engine.attention is '{name}'; {package} is not found: (pip|build)"):
            kernel_for(name, replace(SHAPE, device="cuda"))


def test_a_package_computes_in_sixteen_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(attention.PACKAGES, "sdpa", "torch")
    assert lacking(SDPA, torch.bfloat16) == lacking("products", torch.float32) == ""
    assert lacking(SDPA, torch.float32) == "it computes in 16 bits, the student in float32: --dtype bfloat16"


class Package:
    """What a kernel imports: attention as it is defined, from the layout and the numbers that it is given."""

    @staticmethod
    def sageattn(*given: Tensor) -> Tensor:
        return definition(*given)

    @staticmethod
    def flash_attn_func(*given: Tensor, **scales: Tensor) -> tuple[Tensor, None]:
        named = [scales.get(f"{name}_descale", torch.ones(())) for name in "qkv"]
        by_head = zip(given, named, strict=True)
        plain = [states.float().transpose(1, 2) * scale[..., None, None] for states, scale in by_head]
        return definition(*plain).transpose(1, 2), None


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_gets_its_layout(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[name], Package)
    kernel = {**KERNELS["cuda"], **ROUGH["cuda"]}[name]
    given = inputs()
    off = 0.1 if "float8" in name else 1e-5
    assert_close(kernel(*given), definition(*given), rtol=off, atol=off)


@pytest.mark.gpu
@pytest.mark.parametrize("name", PACKAGES)
def test_a_kernel_of_a_package_is_near_attention(name: str) -> None:
    pytest.importorskip(PACKAGES[name])
    given = [states.to("cuda", torch.bfloat16) for states in inputs(1, 256, 512)]
    given = [torch.nn.functional.pad(states, (0, 60)) for states in given]
    wanted = definition(*given).float()
    found = {**KERNELS["cuda"], **ROUGH["cuda"]}[name](*given).float()
    assert (found - wanted).norm() < 0.1 * wanted.norm()


def test_a_kernel_of_another_device_is_refused() -> None:
    with pytest.raises(ValueError, match=r"engine.attention is 'flash_attention_3'; on cpu allowed: probe, sdpa, prod"):
        kernel_for("flash_attention_3", SHAPE)


def test_other_devices_have_what_torch_has() -> None:
    assert kernel_for(SDPA, Shape("xpu", torch.float32, 1, 1, 1, 4)) is attention.sdpa
