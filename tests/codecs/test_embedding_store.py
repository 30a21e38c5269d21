from pathlib import Path

import pytest
import torch

from reward_forcing.codecs.embedding_store import EmbeddingStore, encoder_name
from tests import tiny


def test_embeddings_come_back(tmp_path: Path) -> None:
    store, rows = EmbeddingStore(tmp_path / "deep/er", "abc"), tiny.normal(3, 5)
    store.add({"a cat": rows, "": rows[:1]})
    again = EmbeddingStore(tmp_path / "deep/er", "abc")
    assert torch.equal(again.read("a cat"), rows.bfloat16().float())
    assert again.read("").shape == (1, 5)
    assert "a cat" in again
    assert "a dog" not in again
    assert len(again) == 2


def test_others_may_add_meanwhile(tmp_path: Path) -> None:
    first, second = EmbeddingStore(tmp_path, "abc"), EmbeddingStore(tmp_path, "abc")
    first.add({"a": tiny.normal(1, 2)})
    second.add({"b": tiny.normal(1, 2)})
    assert "a" in second
    assert "b" not in first
    first.refresh()
    assert "b" in first


def test_encoders_do_not_meet(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, "one").add({"a": tiny.normal(1, 2)})
    assert EmbeddingStore(tmp_path).encoder == "one"
    assert "a" not in EmbeddingStore(tmp_path, "two")
    EmbeddingStore(tmp_path, "two").add({"b": tiny.normal(1, 2)})
    with pytest.raises(ValueError, match="has those of 2 encoders; give the encoder's files"):
        _ = EmbeddingStore(tmp_path).encoder


def test_missing_prompts_and_damaged_shards(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, "abc")
    with pytest.raises(ValueError, match="'a dog' is not in .*; run `reward-forcing data embed`"):
        store.read("a dog")
    store.add({"a": tiny.normal(4, 8)})
    path = next(tmp_path.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])
    for look in (lambda: EmbeddingStore(tmp_path, "abc"), lambda: store.read("a")):
        with pytest.raises(ValueError, match=f"{path.name} is damaged .*; delete it"):
            look()


def test_names_of_encoders(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"12")
    (tmp_path / "b.pth").write_bytes(b"123")
    names = {encoder_name(tmp_path / "a.pth"), encoder_name(tmp_path / "b.pth"), encoder_name(tmp_path / "a.pth", "x")}
    assert len(names) == 3
    assert encoder_name(tmp_path / "a.pth") in names
