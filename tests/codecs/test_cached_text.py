import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.codecs import cached_text
from reward_forcing.codecs.cached_text import CachedText
from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.codecs.umt5 import UMT5, load_umt5
from tests.codecs.test_umt5 import SIZES, small_encoder, write_tokenizer


class Loader:
    """Loads the encoder, and knows how often and which are alive."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.alive, self.calls = folder, weakref.WeakSet[UMT5](), 0
        write_tokenizer(folder / "tokenizer")
        small_encoder().save_pretrained(str(folder / "encoder"))

    def __call__(self) -> UMT5:
        self.calls += 1
        made = load_umt5(self.folder / "encoder", self.folder / "tokenizer", dtype="float32", sizes=SIZES)
        self.alive.add(made)
        return made


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path / "weights")


def cached(loader: Loader, **more: Any) -> CachedText:
    return CachedText(loader.folder.parent / "store", loader, loader.folder / "encoder", **more)


def test_it_is_a_text_encoder_with_the_encoders_embeddings(loader: Loader) -> None:
    text = cached(loader)
    assert isinstance(text, TextEncoder)
    prompts = ["a red cat", "", "fast"]
    assert_close(text(prompts), loader()(prompts), atol=0.02, rtol=0.01)
    assert text(prompts).shape == (3, 512, 8)


def test_the_encoder_is_freed_and_not_needed_again(loader: Loader) -> None:
    text = cached(loader)
    text.prepare(["a", "cat"])
    gc.collect()
    assert loader.calls == 1
    assert not loader.alive
    again = cached(loader)
    again.prepare(["cat", "a", ""])
    assert torch.equal(again(["cat"]), text(["cat"]))
    assert loader.calls == 1
    again(["fast"])
    assert loader.calls == 2


def test_without_the_encoders_files_its_embeddings_still_serve(loader: Loader) -> None:
    cached(loader).prepare(["a"])
    moved = CachedText(loader.folder.parent / "store", loader, loader.folder / "gone")
    moved(["a"])
    assert loader.calls == 1


def test_missing_prompts_can_be_refused(loader: Loader) -> None:
    with pytest.raises(ValueError, match=r"text: 2 of 2 prompts are not in .*, first: ''; encode them before:"):
        cached(loader, missing="refuse")(["a"])
    assert loader.calls == 0
    cached(loader).prepare(["a"])
    assert cached(loader, missing="refuse")(["a", ""]).shape == (2, 512, 8)


def test_an_interruption_loses_little(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_text, "AT_ONCE", 2)
    text, rows = cached(loader), UMT5.rows
    calls: list[int] = []

    def interrupted(self: UMT5, prompts: Any) -> Any:
        calls.append(len(prompts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return rows(self, prompts)

    monkeypatch.setattr(UMT5, "rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        text.prepare(["a", "cat", "fast"])
    assert len(cached(loader).store) == 2
