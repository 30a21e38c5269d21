"""Linear layers in eight bits, an approximation: every row of weights has a scale, and every token as it comes.

Products of integers are exact, those of float8 are summed in fp32; what is lost is lost by rounding to eight bits.
Plain torch: torchao rounds the same way, but an eager call of its tensors costs several times that of these.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from reward_forcing.engine.weights import Affine, Linear, affine, as_it_is, blocks_of
from reward_forcing.networks.wan import WanTransformer

EXACT: Final = "exact"
SMALLEST: Final = 1e-12
"""Largest value from which on a row is more than nothing."""
FEWEST: Final = 17
"""Rows of integers that CUDA multiplies at least."""
ROWS: Final = 8192
"""That `EightBits` multiplies at once: wide copies of all rows would take more memory than weights save."""


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
    lacking = max(0, FEWEST - len(rows)) if rows.is_cuda else 0
    given = functional.pad(rows, (0, 0, 0, lacking)) if lacking else rows
    return torch.addcmul(bias, torch._int_mm(given, columns)[: len(rows)] * row_scales, column_scales)


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
    scales = states.abs().amax(along, keepdim=True).float().clamp_min(SMALLEST) / bits.largest
    scaled = states / scales
    return (scaled if bits.dtype.is_floating_point else scaled.round_()).to(bits.dtype), scales


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


class EightBits(nn.Module):
    """A linear layer of a frozen network in eight bits; it goes where its network goes and keeps its precision.

    Args:
        layer: as it was.
        bits: how it is written.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Linear, bits: Bits) -> None:
        super().__init__()
        self.bits = bits
        made = quantised(affine(layer, layer.weight.dtype), bits)
        for name in ("weight", "scales", "bias"):
            self.register_buffer(name, getattr(made, name).detach())

    def forward(self, states: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place out"]:
        """Its outputs, in the precision of its inputs.

        Raises:
            ValueError: gradients are to flow to the inputs.
        """
        if torch.is_grad_enabled() and states.requires_grad:
            raise ValueError("a linear layer in eight bits passes no gradients on; allowed: exact ones")
        layer = Quantised(self.weight, self.scales, self.bias, self.bits)
        found = states.new_empty(*states.shape[:-1], len(self.weight))
        for given, made in zip(states.flatten(0, -2).split(ROWS), found.flatten(0, -2).split(ROWS), strict=True):
            made.copy_(layer.of(given))
        return found

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "EightBits":
        super()._apply(lambda tensor: tensor.to(fn(tensor[:0]).device), recurse)  # type: ignore[no-untyped-call]
        return self


@torch.no_grad()
def write_in_place(network: WanTransformer, name: str) -> None:
    """Have the linear layers of a frozen network's blocks be computed that way; at no time are two of all there.

    Raises:
        ValueError: there is no such way.
    """
    if name not in LINEARS:
        raise ValueError(f"linears is {name!r}; allowed: {', '.join(LINEARS)}")
    for block in blocks_of(network) if name != EXACT else ():
        for path, layer in [*block.named_modules()]:
            if isinstance(layer, nn.Linear):
                block.set_submodule(path, EightBits(layer, WAYS[name]))


def require(key: str, name: str, network: WanTransformer, device: torch.device) -> None:
    """Nothing, if the layers of a network can be computed that way on a device.

    Raises:
        ValueError: they cannot; it names the key.
    """
    if name == EXACT or device.type == "cpu":
        return
    if device.type != "cuda":
        raise ValueError(f"{key} is {name!r}; on {device.type} allowed: {EXACT}")
    sizes = (network.sizes["dim"], network.sizes["ffn_dim"])
    if fault := misfit(name, torch.cuda.get_device_capability(device), sizes):
        raise ValueError(f"{key} is {name!r}; {fault}")


def misfit(name: str, capability: tuple[int, int], sizes: tuple[int, ...]) -> str:
    """Why an NVIDIA GPU cannot multiply matrices of these sizes that way; nothing if it can."""
    bits = WAYS[name]
    if capability < bits.capability:
        has, needs = (".".join(map(str, one)) for one in (capability, bits.capability))
        return f"it needs a GPU of compute capability {needs} or more, this one has {has}; allowed: {EXACT}, int8"
    odd = [size for size in sizes if size % bits.multiple]
    return f"it needs sizes that are multiples of {bits.multiple}, the network has {odd[0]}" if odd else ""
