"""Attention of several heads, as all networks of this room have it."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(
    query: Float[Tensor, "batch token dim"],
    key: Float[Tensor, "batch other dim"],
    value: Float[Tensor, "batch other dim"],
    heads: int,
    *,
    causal: bool = False,
    there: Bool[Tensor, "batch other"] | None = None,
) -> Float[Tensor, "batch token dim"]:
    """softmax(q k' / sqrt(dim of a head)) v of every head; causal: no token sees later ones.

    Where some are not `there`, no token sees them.
    """
    mask = None if there is None else there[:, None, None]
    q, k, v = (tokens.unflatten(-1, (heads, -1)).transpose(1, 2) for tokens in (query, key, value))
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal).transpose(1, 2).flatten(2)
