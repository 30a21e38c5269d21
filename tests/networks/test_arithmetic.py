"""What is written by hand for CPUs, forwards and backwards, against torch's own and against finite differences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from reward_forcing.networks import arithmetic
from reward_forcing.networks.arithmetic import Activation, activated, centred, normalised, together
from tests.tiny import normal

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def norm(dtype: torch.dtype = torch.float32) -> nn.RMSNorm:
    layer = nn.RMSNorm(6, eps=1e-6)
    nn.init.normal_(layer.weight)
    return layer.to(dtype)


def same_gradients(found: Tensor, wanted: Tensor, *inputs: Tensor) -> None:
    """Of two results for the same inputs, the results included."""
    upstream = normal(*found.shape, seed=9)
    assert_close(found, wanted)
    pairs = (torch.autograd.grad(result, inputs, upstream, retain_graph=True) for result in (found, wanted))
    for one, other in zip(*pairs, strict=True):
        assert_close(one, other, rtol=1e-5, atol=1e-6)


@DTYPES
def test_normalisation_is_by_the_root_of_the_mean_square(dtype: torch.dtype) -> None:
    """Computed in fp32 and rounded before the weight is applied."""
    layer, states = norm(dtype), normal(2, 3, 6).to(dtype)
    scale = (states.float().square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    assert_close(normalised(states, layer), (states.float() * scale).to(dtype) * layer.weight)


def test_normalisation_has_the_gradients_of_torch() -> None:
    layer, states = norm(), normal(2, 3, 6, seed=1).requires_grad_()
    same_gradients(normalised(states, layer), layer(states), states, layer.weight)


def test_tiny_states_stay_tiny() -> None:
    """Far below the root of what keeps the scale finite."""
    layer, states = norm(), (1e-9 * normal(2, 6)).requires_grad_()
    same_gradients(normalised(states, layer), layer(states), states)
    assert normalised(states, layer).abs().max() < 1e-5


@DTYPES
def test_the_activation_is_gelu_everywhere(dtype: torch.dtype) -> None:
    """Far out, too, where a sigmoid is 0 or 1."""
    inner = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([-1e4, 1e4, 0.0])]).to(dtype)
    wanted = functional.gelu(inner.double(), approximate="tanh")
    assert_close(activated(inner).double(), wanted, rtol=1e-2 if dtype == torch.bfloat16 else 2e-6, atol=4e-7)
    assert torch.equal(Activation()(inner), activated(inner))


def test_the_activation_has_the_gradients_of_gelu() -> None:
    inner = torch.cat([torch.linspace(-12, 12, 401), torch.tensor([-1e4, 1e4])]).requires_grad_()
    same_gradients(activated(inner), functional.gelu(inner, approximate="tanh"), inner)


def test_what_is_given_stays_what_it_is() -> None:
    for inner in (normal(3, 4), normal(3, 4).requires_grad_()):
        kept = inner.detach().clone()
        activated(inner)
        assert torch.equal(inner, kept)


def test_gradients_by_hand_are_those_of_finite_differences() -> None:
    states, weight = normal(2, 5).double().requires_grad_(), normal(5, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(arithmetic._Gelu.apply, (states,))
    assert torch.autograd.gradcheck(arithmetic._RootMeanSquare.apply, (states, weight))


@DTYPES
def test_tokens_are_centred_and_scaled(dtype: torch.dtype) -> None:
    tokens = (3 + 2 * normal(4, 50)).to(dtype)
    assert_close(centred(tokens), functional.layer_norm(tokens, (50,), eps=1e-6))
    assert_close(centred(tokens).float().mean(-1), torch.zeros(4), atol=1e-2, rtol=0)


def test_layers_of_one_input_give_what_each_gives() -> None:
    torch.manual_seed(0)
    layers, states = [nn.Linear(4, 6) for _ in range(3)], normal(2, 5, 4).requires_grad_()
    inputs = (states, *(parameter for layer in layers for parameter in layer.parameters()))
    same_gradients(
        torch.cat([*together(states, layers)], -1), torch.cat([layer(states) for layer in layers], -1), *inputs
    )


class Doubled(nn.Linear):
    """Something has been put around it."""

    def forward(self, states: Tensor) -> Tensor:
        return 2 * super().forward(states)


def test_what_is_put_around_a_layer_is_not_passed_over() -> None:
    torch.manual_seed(0)
    layers, states = [nn.Linear(4, 6), Doubled(4, 6)], normal(2, 4)
    for found, layer in zip(together(states, layers), layers, strict=True):
        assert torch.equal(found, layer(states))


def test_half_precision_is_left_to_torch() -> None:
    assert type(activated(normal(2, 6).bfloat16().requires_grad_()).grad_fn).__name__ == "GeluBackward0"
    assert type(activated(normal(2, 6).requires_grad_()).grad_fn).__name__ == "_GeluBackward"
