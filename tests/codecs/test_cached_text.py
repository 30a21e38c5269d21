import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.codecs import cached_text
from reward_forcing.codecs.cached_text import CachedText
from reward_forcing.codecs.embedding_store import EmbeddingStore
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
    cached(loader).prepare(["a"])
    with pytest.raises(
        ValueError, match=r"text: 1 of 2 prompts are not in .*, first: 'fast'; .*: reward-forcing data embed"
    ):
        cached(loader, missing="refuse")(["fast", "a"])
    assert loader.calls == 1
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


def test_prompts_are_known_by_their_cleaned_words(loader: Loader) -> None:
    text = cached(loader)
    text.prepare(["a  cat", "a cat ", " a cat"])
    assert len(text.store) == 2, "the prompt and the empty one"
    assert torch.equal(cached(loader, missing="refuse")(["a&#32;cat"]), text(["a cat"]))


def test_the_empty_prompt_is_the_negative_one(loader: Loader) -> None:
    text = cached(loader, negative="bad  cat")
    assert torch.equal(text([""]), text(["bad cat"]))
    assert torch.equal(text([" "]), text([""]))
    assert loader.calls == 1
    other = cached(loader, negative="fast")
    assert torch.equal(other(["bad cat"]), text([""])), "another negative prompt does not make others again"
    assert not torch.equal(other([""]), text([""]))
    assert loader.calls == 2


def test_what_was_read_stays_in_memory_but_not_all(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_text, "RECENT", 2)
    text = cached(loader)
    read: list[str] = []
    text.prepare(["a", "cat", "fast"])
    monkeypatch.setattr(EmbeddingStore, "read", _noting(EmbeddingStore.read, read))
    for prompt in ("a", "cat", "a", "fast", "a", "cat"):
        text([prompt])
    assert read == ["a", "cat", "fast", "cat"]


def test_what_is_longer_than_wanted(loader: Loader) -> None:
    text = CachedText(loader.folder.parent / "store", loader, loader.folder / "encoder")
    text.prepare(["a red cat runs"])
    short = CachedText(loader.folder.parent / "store", loader, loader.folder / "gone", tokens=3)
    with pytest.raises(ValueError, match="have 5 tokens, not up to 3"):
        short(["a red cat runs"])


def test_who_misses_the_same_waits_and_does_not_encode_again(loader: Loader) -> None:
    texts = [cached(loader) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda text: text.prepare(["a", "cat"]), texts))
    assert loader.calls == 1
    assert all(len(text.store) == 3 for text in texts)


def test_a_failure_frees_the_encoder_and_the_turn(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingStore, "add", fail)
        with pytest.raises(OSError, match="no space left"):
            cached(loader).prepare(["a"])
    gc.collect()
    assert not loader.alive
    cached(loader).prepare(["a"])


def _noting(read: Callable[..., Any], noted: list[str]) -> Callable[..., Any]:
    def noting(store: EmbeddingStore, prompt: str) -> Any:
        noted.append(prompt)
        return read(store, prompt)

    return noting
