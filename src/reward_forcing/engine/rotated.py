"""What is remembered as attention takes it: rotated keys and values of a layer, in buffers with room for a chunk.

Frames move through relative positions once a chunk, so that is when their keys are rotated; the passes between put
only their own chunk behind them.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from reward_forcing.memory.kv import KV
from reward_forcing.networks.rotary import rotations

States = Float[Tensor, "batch token head head_dim"]
Turns = Complex[Tensor, "token 1 pair"]


class Turning:
    """The rotations of all tokens of the first frames, as many as were ever asked for.

    Args:
        rows: rows of tokens in a frame.
        columns: columns of tokens in a frame.
        head_dim: dimensions of an attention head.
        device: where they are used.
    """

    def __init__(self, rows: int, columns: int, head_dim: int, device: torch.device) -> None:
        self.shape, self.device = (rows, columns, head_dim), device
        self.table = torch.empty(0, 1, head_dim // 2, dtype=torch.complex64)

    def following(self, start: int, count: int) -> Turns:
        """Of so many tokens after the first `start`."""
        if start + count > len(self.table):
            tokens = self.shape[0] * self.shape[1]
            frames = -(-max(start + count, 2 * len(self.table)) // tokens)
            self.table = rotations(torch.arange(frames).float(), *self.shape).flatten(0, 1).to(self.device)
        return self.table[start : start + count]


def turned(
    states: Float[Tensor, "batch token *part head head_dim"], turns: Complex[Tensor, "token *ones pair"]
) -> Float[Tensor, "batch token *part head head_dim"]:
    """Neighbouring pairs of dimensions turned; in fp32 (see `networks.rotary.rotate`)."""
    pairs = torch.view_as_complex(states.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Rotated:
    """Keys and values of one layer, [batch, token, head, head_dim]; tokens that are remembered come first.

    Args:
        room: tokens to have room for from the beginning.
    """

    def __init__(self, room: int) -> None:
        self.room, self.filled = room, 0
        self.keys = self.values = torch.empty(0)

    def fill(self, past: KV | None, turning: Turning) -> None:
        """Take what is remembered, its keys not rotated yet, at the positions 0, 1, 2, ..."""
        self.filled = 0
        if past is not None:
            keys, values = past.keys.flatten(1, 2), past.values.flatten(1, 2)
            self.put(turned(keys, turning.following(0, keys.shape[1])), values)
            self.filled = keys.shape[1]

    def put(self, keys: States, values: States) -> tuple[Tensor, Tensor]:
        """Put a chunk, its keys rotated, behind what is remembered.

        Returns:
            All keys and all values then, [batch, head, token, head_dim].
        """
        stop = self.filled + keys.shape[1]
        if self.keys.dim() == 1 or self.keys.shape[1] < stop:
            self._grow(values, stop)
        self.keys[:, self.filled : stop] = keys
        self.values[:, self.filled : stop] = values
        return self.keys[:, :stop].transpose(1, 2), self.values[:, :stop].transpose(1, 2)

    def _grow(self, like: States, tokens: int) -> None:
        """Make room, for much more than is needed if it has grown before; what is remembered stays."""
        batch, _, heads, head_dim = like.shape
        old, room = (self.keys, self.values), max(tokens, self.room, 2 * self.filled)
        self.keys, self.values = (like.new_empty(batch, room, heads, head_dim) for _ in range(2))
        if self.filled:
            self.keys[:, : self.filled], self.values[:, : self.filled] = (states[:, : self.filled] for states in old)
