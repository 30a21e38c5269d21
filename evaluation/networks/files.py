"""Public checkpoints into networks: names and shapes must fit exactly, nothing in a file is executed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reward_forcing.codecs.files import first_line, require_fit, unpickled

Network = TypeVar("Network", bound=nn.Module)


def load_network(
    make: Callable[[], Network],
    path: str | Path,
    place: str,
    *,
    inside: Sequence[str] = (),
    defaults: Callable[[Network], Mapping[str, Tensor]] | None = None,
    adapt: Callable[[Network, Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None,
) -> Network:
    """A network filled from a file: frozen, in fp32, on the CPU, in evaluation mode.

    Args:
        make: builds it; called where tensors take no memory, so that the weights are never there twice.
        path: of the `.pth` or `.safetensors` file. It is mapped (but for files of torch before 1.6): it must not be
            overwritten meanwhile.
        place: what an error is about.
        inside: keys under which the file may hold its tensors; a bare file of tensors always will do.
        defaults: of the network without values, values of parameters that the file need not have.
        adapt: of the network without values and what the file holds, the same under the network's names.

    Raises:
        ValueError: there is no such file, it is damaged, or names or shapes differ (it has the first of each kind).
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{place}: {path} is not there; allowed: the file of the public checkpoint")
    with torch.device("meta"):
        network = make()
    held: Mapping[str, Tensor] = unwrapped(_held(path, place), inside)
    given = {**(defaults(network) if defaults else {}), **(adapt(network, held) if adapt else held)}
    require_fit(network.state_dict(), given, f"{place}: {path}", type(network).__name__)
    network.load_state_dict({name: tensor.float() for name, tensor in given.items()}, assign=True)
    return network.requires_grad_(requires_grad=False).eval()


def _held(path: Path, place: str) -> Mapping[str, Any]:
    """What a file holds. Raises ValueError when it is damaged, or holds more than tensors, numbers and containers."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        return dict(unpickled(path))
    except Exception as error:  # torch and safetensors raise many kinds
        raise ValueError(f"{place}: {path} cannot be read as a file of tensors ({first_line(error)})") from error


def unwrapped(held: Mapping[str, object], inside: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of a file, out of its container and without the prefix of data-parallel training.

    >>> sorted(unwrapped({"model": {"module.a": torch.zeros(1), "b": torch.zeros(1)}, "epoch": 3}, ["model"]))
    ['a', 'b']
    """
    for key in inside:
        part = held.get(key)
        if isinstance(part, Mapping):
            held = part
            break
    return {str(name).removeprefix("module."): value for name, value in held.items() if isinstance(value, Tensor)}
