"""Layers in eight bits against what their bits can tell, and against the layers themselves."""

import copy
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from reward_forcing.engine import quantised as eight
from reward_forcing.engine.quantised import (
    FLOAT8,
    INT8,
    LINEARS,
    WAYS,
    Bits,
    EightBits,
    Quantised,
    linear_for,
    misfit,
    quantised,
    write_in_place,
    written,
)
from reward_forcing.engine.weights import Affine
from reward_forcing.networks.wan import WanTransformer
from tests import tiny

BITS = pytest.mark.parametrize("bits", WAYS.values(), ids=WAYS)
HALF_A_STEP = {torch.int8: 0.5 / 127, torch.float8_e4m3fn: 2**-4}
"""Of the largest value of a row, and of each value: three bits behind the first one."""


def layer(out: int = 32, dim: int = 48, dtype: torch.dtype = torch.float32) -> Affine:
    return Affine(tiny.normal(out, dim, seed=1).to(dtype), tiny.normal(out, seed=2).to(dtype))


def back(pair: tuple[Tensor, Tensor]) -> Tensor:
    values, scales = pair
    return values.float() * scales


@BITS
def test_what_is_written_is_off_by_half_a_step(bits: Bits) -> None:
    states = tiny.normal(64, 48) * torch.logspace(-6, 6, 64)[:, None]
    step = HALF_A_STEP[bits.dtype]
    size = states.abs() if bits is FLOAT8 else states.abs().amax(-1, keepdim=True)
    tiny_part = states.abs().amax(-1, keepdim=True) / bits.largest * 2**-9  # where float8 has no more exponents
    assert ((back(written(states, bits)) - states).abs() <= 1.001 * (step * size + tiny_part)).all()


@BITS
def test_the_largest_value_is_kept_and_nothing_stays_nothing(bits: Bits) -> None:
    states = tiny.normal(4, 8)
    states[2] = 0
    found = back(written(states, bits))
    assert_close(found.abs().amax(-1), states.abs().amax(-1))
    assert not found[2].any()


@BITS
def test_a_scale_may_be_shared_by_more(bits: Bits) -> None:
    states = tiny.normal(2, 3, 5, 4)
    values, scales = written(states, bits, (-2, -1))
    assert scales.shape == (2, 3, 1, 1)
    assert_close(scales[..., 0, 0] * bits.largest, states.abs().amax((-2, -1)))
    assert values.shape == states.shape


@BITS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_is_the_product_of_what_is_written(bits: Bits, dtype: torch.dtype) -> None:
    """In fp64: nothing else is lost."""
    plain, states = layer(dtype=dtype), tiny.normal(2, 5, 48).to(dtype)
    rows, columns = (back(written(one, bits)).double() for one in (states, plain.weight))
    found = quantised(plain, bits).of(states)
    assert found.dtype == dtype
    wanted = (rows @ columns.t() + plain.bias).to(dtype)
    step = 0.016 if dtype == torch.bfloat16 else 1e-5
    assert_close(found, wanted, rtol=step, atol=1e-5)


@pytest.mark.parametrize(("name", "allowed"), [("int8", 0.02), ("float8", 0.06)])
def test_a_layer_is_near_the_layer(name: str, allowed: float) -> None:
    plain, states = layer(128, 256), tiny.normal(3, 64, 256)
    wanted = plain.of(states)
    off = (linear_for(name)(plain).of(states) - wanted).norm() / wanted.norm()
    assert allowed / 10 < off < allowed


def test_one_token_does_not_change_what_others_get() -> None:
    """A scale for every token: an outlier spoils itself alone."""
    made, states = quantised(layer(), INT8), tiny.normal(4, 48)
    spoilt = states.clone()
    spoilt[0, 0] = 1e4
    assert torch.equal(made.of(spoilt)[1:], made.of(states)[1:])


def test_an_exact_layer_is_itself() -> None:
    plain = layer()
    assert linear_for("exact")(plain) is plain
    assert LINEARS == ("exact", "int8", "float8")


def test_weights_take_a_quarter_of_the_bytes() -> None:
    made = quantised(layer(), INT8)
    assert made.weight.nbytes * 4 == layer().weight.nbytes
    assert made.scales.shape == (1, 32)


@pytest.mark.parametrize(
    ("name", "capability", "sizes", "fault"),
    [
        ("int8", (9, 0), (1536, 8960), ""),
        ("float8", (9, 0), (1536, 8960), ""),
        ("float8", (8, 9), (96, 384), ""),
        ("float8", (8, 0), (1536,), "it needs a GPU of compute capability 8.9 or more, this one has 8.0; allowed: ex"),
        ("float8", (9, 0), (1536, 8968), "it needs sizes that are multiples of 16, the network has 8968"),
        ("int8", (9, 0), (36, 64), "it needs sizes that are multiples of 8, the network has 36"),
    ],
)
def test_a_gpu_that_cannot_is_told(name: str, capability: tuple[int, int], sizes: tuple[int, ...], fault: str) -> None:
    assert misfit(name, capability, sizes).startswith(fault)
    assert bool(misfit(name, capability, sizes)) == bool(fault)


@pytest.mark.parametrize("name", LINEARS)
def test_a_cpu_can(name: str) -> None:
    eight.require("engine.linears", name, tiny.network(), torch.device("cpu"))


@pytest.mark.parametrize("key", ["engine.linears", "module.frozen.teacher_linears"])
def test_other_devices_are_refused(key: str) -> None:
    eight.require(key, "exact", tiny.network(), torch.device("mps"))
    with pytest.raises(ValueError, match=f"^{key} is 'int8'; on mps allowed: exact$"):
        eight.require(key, "int8", tiny.network(), torch.device("mps"))


def module_of(bits: Bits = INT8, dtype: torch.dtype = torch.float32) -> tuple[nn.Linear, EightBits]:
    plain = nn.Linear(48, 32, dtype=dtype)
    return plain, EightBits(plain, bits)


@BITS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_module_computes_what_its_layer_does_in_eight_bits(bits: Bits, dtype: torch.dtype) -> None:
    plain, made = module_of(bits, dtype)
    states = tiny.normal(2, 5, 48).to(dtype)
    wanted = quantised(Affine(plain.weight.detach(), plain.bias.detach()), bits).of(states)
    assert torch.equal(made(states), wanted)
    assert not [*made.parameters()]


def test_many_rows_are_multiplied_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = module_of()
    states = tiny.normal(3, 5, 48)
    wanted = made(states)
    monkeypatch.setattr(eight, "ROWS", 4)
    assert torch.equal(made(states), wanted)


@BITS
def test_what_is_written_survives_casts_and_moves(bits: Bits) -> None:
    _, made = module_of(bits)
    before, states = {name: value.clone() for name, value in made.state_dict().items()}, tiny.normal(4, 48)
    wanted = made(states)
    for changed in (made.bfloat16(), made.double(), made.to(torch.float16), copy.deepcopy(made).to("cpu")):
        after = changed.state_dict()
        assert {name: value.dtype for name, value in after.items()} == {
            "weight": bits.dtype, "scales": torch.float32, "bias": torch.float32
        }  # fmt: skip
        assert all(torch.equal(after[name].float(), value.float()) for name, value in before.items())
        assert torch.equal(changed(states), wanted)
    assert {(value.device.type, value.dtype) for value in made.to("meta", torch.bfloat16).buffers()} == {
        ("meta", bits.dtype),
        ("meta", torch.float32),
    }


def test_gradients_are_refused_rather_than_wrong() -> None:
    _, made = module_of()
    states = tiny.normal(4, 48).requires_grad_()
    with pytest.raises(ValueError, match="a linear layer in eight bits passes no gradients on"):
        made(states)
    with torch.no_grad():
        assert made(states).isfinite().all()


@pytest.mark.parametrize(("name", "allowed"), [("exact", 0.0), ("int8", 0.03), ("float8", 0.1)])
def test_a_network_written_in_place_is_near_itself(name: str, allowed: float) -> None:
    network, inputs = tiny.network().requires_grad_(requires_grad=False), (tiny.latents(2), tiny.sigmas(2, 3))
    outside = {key: value.clone() for key, value in network.state_dict().items() if ".weight" not in key}
    wanted = network(*inputs, tiny.prompts(2))
    write_in_place(network, name)
    off = (network(*inputs, tiny.prompts(2)) - wanted).norm() / wanted.norm()
    assert allowed / 10 <= off <= allowed
    after = network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in outside.items()), "biases, norms, what is not in blocks"
    left = {key for key, part in network.named_modules() if isinstance(part, nn.Linear) and key.startswith("blocks")}
    assert len(left) == (20 if name == "exact" else 0)
    assert network.dtype == torch.float32
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_layers_are_let_go_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    network, alive = tiny.network(layers=4), list[int]()
    layers = [weakref.ref(part) for part in network.blocks.modules() if isinstance(part, nn.Linear)]

    def noted(layer: Affine, bits: Bits) -> Quantised:
        alive.append(sum(one() is not None for one in layers))
        return quantised(layer, bits)

    monkeypatch.setattr(eight, "quantised", noted)
    write_in_place(network, "int8")
    assert [alive[0], alive[10], alive[20], alive[30]] == pytest.approx([40, 30, 20, 10], abs=1)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="^linears is 'int4'; allowed: exact, int8, float8$"):
        write_in_place(tiny.network(), "int4")


@BITS
def test_a_network_may_have_no_memory(bits: Bits) -> None:
    name = next(name for name, way in WAYS.items() if way is bits)
    with torch.device("meta"):
        outline = WanTransformer(**tiny.SIZES)
    write_in_place(outline, name)
    assert all(tensor.is_meta for tensor in outline.state_dict().values())
    assert outline.state_dict()["blocks.1.ffn.2.weight"].dtype == bits.dtype


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@BITS
@pytest.mark.parametrize("rows", [3, 32])
def test_on_a_gpu_it_is_what_it_is_on_a_cpu(bits: Bits, rows: int) -> None:
    """Also of few rows, as a prompt of few words has."""
    plain, states = layer(64, 96), tiny.normal(rows, 96)
    wanted = quantised(plain, bits).of(states)
    found = quantised(Affine(*(one.cuda() for one in plain)), bits).of(states.cuda())
    assert_close(found.cpu(), wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().max()))
