"""Muon for the matrices inside transformer blocks, AdamW for everything else, stepping as one optimiser."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import AdamW, Muon, Optimizer


class MuonAdamW(Optimizer):
    """Muon (orthogonalised momentum, updates scaled to match AdamW's) and AdamW over one network.

    Args:
        parameters: names and parameters of the network.
        lr: learning rate of AdamW.
        muon_factor: how many times higher Muon's is.
        betas: of AdamW.
        weight_decay: of both.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        *,
        lr: float,
        muon_factor: float = 4.0,
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.01,
    ) -> None:
        named = list(parameters)
        matrices = [pair for pair in named if ".blocks." in f".{pair[0]}" and pair[1].dim() == 2]
        chosen = {name for name, _ in matrices}
        others = [pair for pair in named if pair[0] not in chosen]
        self.parts: list[Optimizer] = []
        if others:
            self.parts.append(AdamW(others, lr, betas=(betas[0], betas[1]), weight_decay=weight_decay))
        if matrices:
            muon = Muon(matrices, lr * muon_factor, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            self.parts.append(muon)
        super().__init__([parameter for _, parameter in named], {"lr": lr})
        self._share_groups()

    def _share_groups(self) -> None:
        """Show the parts' own parameter groups, so that a learning rate set here is set there."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step both."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The state of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
