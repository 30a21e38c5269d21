"""Linear layers in eight bits, an approximation: every row of weights has a scale, and every token as it comes.

Products of integers are exact, those of float8 are summed in fp32; what is lost is lost by rounding to eight bits.
Plain torch: torchao rounds the same way, but an eager call of its tensors costs several times that of these.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from reward_forcing.engine.weights import Affine, Linear, as_it_is
from reward_forcing.networks.wan import WanTransformer

EXACT: Final = "exact"
SMALLEST: Final = 1e-12
"""Largest value from which on a row is more than nothing."""


class Bits(NamedTuple):
    """A way to write numbers in eight bits.

    Args:
        dtype: that holds them.
        largest: value.
        product: of rows and columns so written, with the scales of both and what is added to each column.
        multiple: that both sizes of a matrix must be of on a GPU.
        capability: that the GPU must have.
    """

    dtype: torch.dtype
    largest: float
    product: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    multiple: int
    capability: tuple[int, int]


def integers(rows: Tensor, columns: Tensor, row_scales: Tensor, column_scales: Tensor, bias: Tensor) -> Tensor:
    """Summed in int32, scaled in fp32."""
    return torch.addcmul(bias, torch._int_mm(rows, columns) * row_scales, column_scales)


def floats(rows: Tensor, columns: Tensor, row_scales: Tensor, column_scales: Tensor, bias: Tensor) -> Tensor:
    """Summed in fp32; on a GPU scaled there, too, and given in bf16, all that some give with a scale a row."""
    if rows.is_cuda:
        form: dict[str, Any] = {"out_dtype": torch.bfloat16, "use_fast_accum": True}
        return torch._scaled_mm(rows, columns, row_scales, column_scales, bias.bfloat16(), **form)
    one = torch.ones(())
    found = torch._scaled_mm(rows, columns, one, one, out_dtype=torch.float32)
    return torch.addcmul(bias, found * row_scales, column_scales)


INT8: Final = Bits(torch.int8, 127, integers, 8, (7, 5))
FLOAT8: Final = Bits(torch.float8_e4m3fn, 448, floats, 16, (8, 9))
WAYS: Final[Mapping[str, Bits]] = {"int8": INT8, "float8": FLOAT8}
LINEARS: Final = (EXACT, *WAYS)


def written(states: Tensor, bits: Bits, along: tuple[int, ...] = (-1,)) -> tuple[Tensor, Tensor]:
    """States in eight bits, and what to multiply them by to get them back, the same along some dimensions."""
    plain = states.float()
    scales = plain.abs().amax(along, keepdim=True).clamp_min(SMALLEST) / bits.largest
    scaled = plain / scales
    return (scaled if bits.dtype.is_floating_point else scaled.round()).to(bits.dtype), scales


class Quantised(NamedTuple):
    """A linear layer in eight bits; `scales` are [1, out]."""

    weight: Shaped[Tensor, "out dim"]
    scales: Float[Tensor, "1 out"]
    bias: Float[Tensor, " out"]
    bits: Bits

    def of(self, states: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place out"]:
        """Its outputs, in the precision of its inputs."""
        rows, scales = written(states.flatten(0, -2), self.bits)
        found: Tensor = self.bits.product(rows, self.weight.t(), scales, self.scales, self.bias)
        shaped: Tensor = found.to(states.dtype).unflatten(0, states.shape[:-1])
        return shaped


def linear_for(name: str) -> Callable[[Affine], Linear]:
    """How a layer is computed: as it is, or in eight bits."""
    return as_it_is if name == EXACT else lambda layer: quantised(layer, WAYS[name])


def quantised(layer: Affine, bits: Bits) -> Quantised:
    """The layer in eight bits."""
    weight, scales = written(layer.weight, bits)
    return Quantised(weight, scales.t().contiguous(), layer.bias.float(), bits)


def require(name: str, student: WanTransformer) -> None:
    """Nothing, if the layers of a student can be computed that way where it is.

    Raises:
        ValueError: they cannot.
    """
    device = next(student.parameters()).device
    if name == EXACT or device.type == "cpu":
        return
    if device.type != "cuda":
        raise ValueError(f"engine.linears is {name!r}; on {device.type} allowed: {EXACT}")
    sizes = (student.sizes["dim"], student.sizes["ffn_dim"])
    if fault := misfit(name, torch.cuda.get_device_capability(device), sizes):
        raise ValueError(f"engine.linears is {name!r}; {fault}")


def misfit(name: str, capability: tuple[int, int], sizes: tuple[int, ...]) -> str:
    """Why an NVIDIA GPU cannot multiply matrices of these sizes that way; nothing if it can."""
    bits = WAYS[name]
    if capability < bits.capability:
        has, needs = (".".join(map(str, one)) for one in (capability, bits.capability))
        return f"it needs a GPU of compute capability {needs} or more, this one has {has}; allowed: {EXACT}, int8"
    odd = [size for size in sizes if size % bits.multiple]
    return f"it needs sizes that are multiples of {bits.multiple}, the student has {odd[0]}" if odd else ""
