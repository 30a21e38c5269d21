"""Bytes that a transformer keeps for its backward pass, and needs while it runs.

The counts are of tensors that autograd saves in one block; a test counts them again with saved_tensors_hooks.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from reward_forcing.engine.quantised import ROWS
from reward_forcing.plan.costs import Pass, Sizes

Precision: TypeAlias = Literal["float32", "bfloat16", "mixed"]
"""Of computing: all in fp32; all in bf16 (bf16 parameters); or fp32 parameters and stream, bf16 products (autocast)."""

STREAM: Final[dict[str, int]] = {"float32": 4, "bfloat16": 2, "mixed": 4}
"""Bytes of a number of the residual stream."""

PRODUCT: Final[dict[str, int]] = {"float32": 4, "bfloat16": 2, "mixed": 2}
"""Bytes of a number in attention and feed-forward layers, keys and values included."""


@dataclass(frozen=True)
class Saved:
    """How many tensors a block saves.

    Args:
        wide: in fp32, a row a query.
        narrow: in the precision of products, a row a query.
        text_wide: in fp32, a row a word.
        text_narrow: in the precision of products, a row a word.
    """

    wide: int
    narrow: int
    text_wide: int
    text_narrow: int


SAVED: Final[dict[str, Saved]] = {
    "float32": Saved(wide=20, narrow=0, text_wide=4, text_narrow=0),
    "bfloat16": Saved(wide=3, narrow=17, text_wide=1, text_narrow=3),
    "mixed": Saved(wide=8, narrow=14, text_wide=1, text_narrow=3),
}
NORMS: Final = 9
"""Numbers a query that normalisations keep."""

TRANSIENT: Final = 24
"""Bytes times the width that a block without gradients has in use at once, a query: the stream, its normalised and
modulated copies, queries, keys and values and their rotation in fp32 (assumed)."""


EIGHT_BITS: Final = 9
"""Bytes a number of a token that is put into eight bits and multiplied: one, and four each of two copies."""


def block_saved(sizes: Sizes, run: Pass, precision: Precision) -> int:
    """Bytes a block keeps for its backward pass, without checkpointing."""
    saved, width, dim = SAVED[precision], PRODUCT[precision], sizes.dim
    queries = run.queries * dim * (4 * saved.wide + width * saved.narrow)
    keys = 2 * width * run.seen * dim
    feed_forward = 2 * width * run.queries * sizes.ffn_dim
    text = run.words * dim * (4 * saved.text_wide + width * saved.text_narrow)
    scalars = 4 * run.queries * (2 * sizes.heads + NORMS)
    return run.batch * (queries + keys + feed_forward + text + scalars)


def kept(sizes: Sizes, run: Pass, precision: Precision, *, checkpointing: float) -> int:
    """Bytes all blocks keep for the backward pass; of those that are recomputed, the tokens that enter them.

    What is remembered of earlier frames comes on top (`past`), and is kept either way.
    """
    entering = run.batch * run.queries * sizes.dim * STREAM[precision]
    again = round(checkpointing * sizes.layers)
    return again * entering + (sizes.layers - again) * block_saved(sizes, run, precision)


def forward_workspace(sizes: Sizes, run: Pass) -> int:
    """Bytes in use at once while a block runs without gradients (assumed: see TRANSIENT)."""
    return run.batch * (run.queries * (TRANSIENT * sizes.dim + 4 * sizes.ffn_dim) + 4 * 2 * run.seen * sizes.dim)


def eight_bits_workspace(sizes: Sizes, run: Pass) -> int:
    """Bytes in use at once while a linear layer in eight bits runs: so many tokens in int8, and in int32 or fp32."""
    return min(ROWS, run.batch * run.queries) * EIGHT_BITS * max(sizes.dim, sizes.ffn_dim)


def backward_workspace(sizes: Sizes, run: Pass, precision: Precision, *, checkpointing: float) -> int:
    """Bytes in use while a block runs backward: gradients in flight (assumed) and recomputed tensors.

    Where not all blocks are recomputed, the last is not: what it kept is free before another's tensors take its place.
    """
    flying = run.batch * run.queries * (12 * sizes.dim + 4 * sizes.ffn_dim)
    return flying + (block_saved(sizes, run, precision) if checkpointing == 1 else 0)
