"""Plans are of GPUs, whose kernels are torch's own, and of prompts with many words; what runs here is counted so."""

import pytest

from reward_forcing.networks import arithmetic, attention


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a GPU on this CPU, with the prompt's three words."""
    monkeypatch.setattr(arithmetic, "_by_hand", lambda _: False)
    monkeypatch.setattr(attention, "are_few", lambda *_: False)
