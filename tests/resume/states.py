"""What checkpoints hold, leaf by leaf."""

from typing import Any

import torch


def leaves(node: Any, place: str = "") -> dict[str, Any]:
    """Nested containers as one, by path; tensors as their shape and bytes."""
    if isinstance(node, dict | list | tuple):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return {path: leaf for key, value in items for path, leaf in leaves(value, f"{place}/{key}").items()}
    return {place: (tuple(node.shape), node.numpy().tobytes()) if isinstance(node, torch.Tensor) else node}
