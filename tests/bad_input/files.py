"""Files that are wrong, each in one way, beside right ones."""

import json
import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import torch

from reward_forcing.data.commands import make_shards
from tests import small_runs
from tests.test_streaming import notes, write_student

RAN = "code_ran"
"""A file that appears if code inside a pickle is run."""


class Code:
    """Runs a command where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.folder / RAN}",)


TEXTS: dict[str, str | bytes] = {
    "latin.txt": "café".encode("latin-1"),
    "nothing.txt": "",
    "twice.txt": "a\nb\na\n",
    "gap.txt": "a\n\nb\n",
    "number.jsonl": '{"prompt": 3}\n',
    "list.jsonl": "[1]\n",
    "lost.jsonl": '{"video": "gone.mkv", "prompt": "a", "seed": 0, "cell": "c", "fps": 8}\n',
    "still.jsonl": '{"video": "junk.pt", "prompt": "a", "seed": 0, "cell": "c", "fps": 0}\n',
    "novideo.jsonl": '{"video": "junk.pt", "prompt": "a", "seed": 0, "cell": "c", "fps": 8}\n',
    "scores.jsonl": "",
    "junk.pt": b"no pickle",
    "junk.safetensors": bytes(range(200, 256)),
    "strange/config.json": "[]",
    "outside/config.json": "{}",
    "outside/x.safetensors.index.json": '{"weight_map": {"a": "../codec.safetensors"}}',
    "other/results.json": '{"schema": "other/1"}',
    "torn/results.json": '{"schema":',
    "bare/results.json": '{"schema": "reward-forcing/results/1", "videos": []}',
}


def write(folder: Path) -> Path:
    """All of them."""
    for name, content in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "empty").mkdir()
    small_runs.write_exports(folder)
    student = write_student(folder / "student.safetensors", notes())
    (folder / "cut.safetensors").write_bytes(student.read_bytes()[:-100])
    (folder / "code.pt").write_bytes(pickle.dumps({"generator": Code(folder)}, protocol=2))
    torch.save([1, 2], folder / "list.pt")
    _write_shards(folder)
    return folder


def _write_shards(folder: Path) -> None:
    whole = folder / "shards"
    make_shards(whole, clips=4, frames=6)
    for name in ("missing", "cut", "corrupt", "schema", "outside"):
        shutil.copytree(whole, folder / f"shards_{name}")
    tar, manifest = "shard-000000.tar", json.loads((whole / "manifest.json").read_text())
    content = (whole / tar).read_bytes()
    with tarfile.open(whole / tar) as opened:
        place = opened.getmember("00000000.video.npy").offset_data + 1000
    (folder / "shards_missing" / tar).unlink()
    (folder / "shards_cut" / tar).write_bytes(content[:1000])
    (folder / "shards_corrupt" / tar).write_bytes(content[:place] + b"\xff" * 64 + content[place + 64 :])
    (folder / "shards_schema" / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    elsewhere = [{**manifest["shards"][0], "name": f"../shards/{tar}"}]
    (folder / "shards_outside" / "manifest.json").write_text(json.dumps({**manifest, "shards": elsewhere}))
