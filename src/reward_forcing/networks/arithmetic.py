"""What a Wan block computes element by element, and linear layers of one input.

On a CPU these are written for fewer passes over memory, forwards and backwards, than torch makes there; elsewhere, and
where torch compiles them, they are torch's own. The results are the same up to rounding.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

EPS: Final = 1e-6
LINEAR: Final = 2 * (2 / torch.pi) ** 0.5
CUBIC: Final = 0.044715 * LINEAR
"""Wan's GELU is x sigmoid(`LINEAR` x + `CUBIC` x^3), as (1 + tanh(z / 2)) / 2 = sigmoid(z)."""
RATE: Final = torch.tensor(LINEAR)
"""`LINEAR`, to be added in the same pass over memory as a product."""


def normalised(states: Float[Tensor, "*place dim"], norm: nn.RMSNorm) -> Float[Tensor, "*place dim"]:
    """Root mean square normalisation over all heads together: in fp32, rounded, then scaled by the weight."""
    assert norm.weight is not None
    if _by_hand(states) and norm.weight.dtype == torch.float32:
        if _is_plain(states, norm.weight):
            return _direction(states)[0].mul_(norm.weight)
        scaled: Tensor = _RootMeanSquare.apply(states, norm.weight)
        return scaled
    rounded = functional.rms_norm(states.float(), norm.normalized_shape, eps=EPS).to(states.dtype)
    return rounded * norm.weight.to(states.dtype)


def centred(tokens: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
    """Layer normalisation without scale and shift; torch's kernel for CPUs is faster if it is given some."""
    dim = tokens.shape[-1:]
    scale, shift = (tokens.new_ones(dim), tokens.new_zeros(dim)) if _by_hand(tokens) else (None, None)
    return functional.layer_norm(tokens, dim, scale, shift, EPS)


def activated(inner: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
    """GELU by tanh; in fp32 on a CPU by a sigmoid, which takes less time there and is the same."""
    if not _by_hand(inner):
        return functional.gelu(inner, approximate="tanh")
    if _is_plain(inner):
        return _share(inner).mul_(inner)
    found: Tensor = _Gelu.apply(inner)
    return found


class Activation(nn.Module):
    """`activated` as a layer."""

    def forward(self, inner: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
        """GELU by tanh."""
        return activated(inner)


def together(states: Float[Tensor, "*place dim"], layers: Sequence[nn.Module]) -> Sequence[Float[Tensor, "*place out"]]:
    """What linear layers of equal sizes make of one input; on a CPU by one product, if nothing is put around them."""
    if not _by_hand(states) or any(type(layer) is not nn.Linear for layer in layers):
        return [layer(states) for layer in layers]
    weight, bias = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
    return functional.linear(states, weight, bias).chunk(len(layers), -1)


def _by_hand(states: Tensor) -> bool:
    return states.device.type == "cpu" and states.dtype == torch.float32 and not torch.compiler.is_compiling()


def _is_plain(*tensors: Tensor) -> bool:
    """Whether nobody asks for gradients."""
    return not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in tensors)


def _direction(states: Tensor) -> tuple[Tensor, Tensor]:
    """States divided by their root mean square, and what they were multiplied by."""
    scale = (states.square().mean(-1, keepdim=True) + EPS).rsqrt_()
    return states * scale, scale


def _share(inner: Tensor) -> Tensor:
    """sigmoid(z), z = `LINEAR` x + `CUBIC` x^3."""
    return torch.addcmul(RATE, inner, inner, value=CUBIC).mul_(inner).sigmoid_()


class _RootMeanSquare(torch.autograd.Function):
    """`weight * states / rms(states)`, with a backward pass that reads each tensor once."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor) -> Tensor:
        direction, scale = _direction(states)
        ctx.save_for_backward(direction, scale, weight)
        return direction * weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        direction, scale, weight = ctx.saved_tensors
        shares = gradient * direction
        along = (shares @ weight).unsqueeze(-1) / weight.numel()
        towards = torch.addcmul(gradient * weight, direction, along, value=-1).mul_(scale)
        return towards, shares.flatten(0, -2).sum(0)


class _Gelu(torch.autograd.Function):
    """x sigmoid(z)."""

    @staticmethod
    def forward(ctx: Any, inner: Tensor) -> Tensor:
        share = _share(inner)
        ctx.save_for_backward(inner, share)
        return inner * share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        inner, share = ctx.saved_tensors
        slope = torch.addcmul(RATE, inner, inner, value=3 * CUBIC).mul_(inner)  # x dz/dx
        return slope.addcmul_(slope, share, value=-1).add_(1).mul_(share).mul_(gradient)
