import os
import subprocess
import sys
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


def test_several_encoders_are_never_mixed(tmp_path: Path) -> None:
    for encoder in ("one", "two"):
        EmbeddingStore(tmp_path, encoder).add({encoder: tiny.normal(1, 2)})
    with pytest.raises(ValueError, match="has those of 2 encoders"):
        EmbeddingStore(tmp_path)


def test_an_empty_folder_is_no_error_before_something_is_added(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "none")
    assert len(store) == 0
    with pytest.raises(ValueError, match="has those of 0 encoders; give the encoder's files"):
        store.add({"a": tiny.normal(1, 2)})


def test_what_an_interrupted_writer_leaves_is_ignored(tmp_path: Path) -> None:
    (tmp_path / f"abc-1.{os.getpid()}.partial").write_bytes(b"half")
    assert len(EmbeddingStore(tmp_path, "abc")) == 0


def test_processes_add_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, torch\nfrom pathlib import Path\n"
        "from reward_forcing.codecs.embedding_store import EmbeddingStore\n"
        "store = EmbeddingStore(Path(sys.argv[1]), 'abc')\n"
        "for n in range(20): store.add({f'{sys.argv[2]} {n}': torch.full((1, 2), n)})"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name]) for name in ("x", "y")]
    assert [process.wait() for process in started] == [0, 0]
    store = EmbeddingStore(tmp_path, "abc")
    assert len(store) == 40
    assert store.read("x 3").tolist() == [[3.0, 3.0]]


def test_the_name_of_an_encoder_tells_weights_apart_wherever_they_lie(tmp_path: Path) -> None:
    data = bytearray(torch.randint(256, (200_000,), generator=torch.manual_seed(0)).to(torch.uint8).numpy().tobytes())
    (tmp_path / "a.pth").write_bytes(data)
    name = encoder_name(tmp_path / "a.pth", 512)
    (tmp_path / "a.pth").rename(tmp_path / "b.pth")
    assert encoder_name(tmp_path / "b.pth", 512) == name
    assert encoder_name(tmp_path / "b.pth", 256) != name
    for place in (0, 100_000 // 15 * 2, len(data) - 1):
        changed = data.copy()
        changed[place : place + 2000] = bytes(len(changed[place : place + 2000]))
        (tmp_path / "c.pth").write_bytes(changed)
        assert encoder_name(tmp_path / "c.pth", 512) != name, place


def test_the_name_of_an_encoder_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"12")
    (tmp_path / "model-2.safetensors").write_bytes(b"3")
    name = encoder_name(tmp_path, 512)
    (tmp_path / "README.md").write_text("words")
    assert encoder_name(tmp_path, 512) == name
    (tmp_path / "model-2.safetensors").write_bytes(b"4")
    assert encoder_name(tmp_path, 512) != name
