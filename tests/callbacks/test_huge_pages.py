import pytest
import torch
from lightning import LightningModule, Trainer

from reward_forcing.callbacks import huge_pages
from reward_forcing.callbacks.huge_pages import HugePages


@pytest.mark.parametrize(("device", "asked"), [("cpu", [1_500_000_000]), ("cuda", [])])
def test_memory_is_asked_for_on_a_cpu(device: str, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for lasts as long as the process, so the question is heard and not answered."""
    heard: list[int] = []
    monkeypatch.setattr(huge_pages, "keep_in_huge_pages", heard.append)
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    monkeypatch.setattr(trainer.strategy, "_root_device", torch.device(device))
    HugePages(gigabytes=1.5).setup(trainer, LightningModule(), "fit")
    assert heard == asked


@pytest.mark.parametrize("gigabytes", [0, -1.0])
def test_no_memory_is_refused(gigabytes: float) -> None:
    with pytest.raises(ValueError, match=f"callbacks.huge_pages.gigabytes is {gigabytes}; it must be positive"):
        HugePages(gigabytes=gigabytes)
