"""Any bytes give a reader's value or a ValueError that names the file: never another error, never code that runs."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from evaluation.manifest import read_manifest as read_video_manifest
from evaluation.report.reading import read_results
from evaluation.results import SCHEMA
from evaluation.speed.writing import read_speeds
from evaluation.store import Store
from reward_forcing.codecs.files import read_tensors
from reward_forcing.composition.validation import export_sizes
from reward_forcing.data.manifest import read_manifest
from reward_forcing.data.prompts import read_prompts
from reward_forcing.data.shards import Shards
from reward_forcing.networks import sources
from reward_forcing.schedules import read_schedules

pytestmark = pytest.mark.filterwarnings("ignore")
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
VIDEO = {
    "cell": "a", "prompt": "p", "seed": 0, "video": "", "fps": 8.0, "frames": 4, "baseline": False,
    "windows": [["all", 0, 4]], "scores": {"palette_drift": [0.5]}, "metadata": {}, "notes": [],
}  # fmt: skip
RESULTS = {
    "schema": SCHEMA, "reference": "a", "measures": {"palette_drift": {}}, "skipped": {}, "failed": [],
    "protocol": {
        "arithmetic_sha256": "x", "windows": {"length": 1, "hop": 1, "clip": 1}, "interval": "", "versions": {},
        "instruments": {},
    },
    "videos": [VIDEO],
}  # fmt: skip
SHARDS = {
    "schema": 1, "clips": 1, "fields": {"caption.txt": {"dtype": "text", "shape": []}}, "origin": {},
    "shards": [{"name": "a.tar", "clips": 1, "bytes": 10240, "sha256": ""}],
}  # fmt: skip
INDEX = {"weight_map": {"a": "b"}}
ENTRY = {"video": "manifest.jsonl", "prompt": "a", "seed": 0, "cell": "c", "fps": 8, "metadata": {}}


def network_sources(path: Path) -> None:
    dict(sources.tensors(sources.inspect(path)))


def written(content: bytes) -> bytes:
    """A tar file with one caption."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("0.caption.txt")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def pickled() -> bytes:
    stream = io.BytesIO()
    torch.save({"model": {"a": torch.zeros(2)}}, stream)
    return stream.getvalue()


READERS: dict[str, tuple[str, Callable[[Path], Any], list[bytes]]] = {
    "prompts": ("prompts.txt", read_prompts, [b"a\nb\n"]),
    "prompts as JSON": ("prompts.jsonl", read_prompts, [b'{"prompt": "a"}\n']),
    "schedules": ("prompts.jsonl", read_schedules, [b'{"prompt": "a", "schedule": [{"at": "5s", "prompt": "b"}]}\n']),
    "videos": ("manifest.jsonl", read_video_manifest, [json.dumps(ENTRY).encode() + b"\n"]),
    "results": ("results.json", read_results, [json.dumps(RESULTS).encode()]),
    "speed": ("speed.json", read_speeds, [b'{"schema": "reward-forcing/speed/2", "cells": []}']),
    "bare": ("a.safetensors", network_sources, [save({"a": torch.zeros(2)})]),
    "export": ("a.safetensors", network_sources, [save({"a": torch.zeros(2)}, {"network": "{}"})]),
    "container": ("a.pt", network_sources, [pickled()]),
    "codec": ("codec.safetensors", read_tensors, [save({"a": torch.zeros(2)})]),
    "codec's head": ("codec.safetensors", export_sizes, [save({"a": torch.zeros(2)}, {"codec": '{"channels": 6}'})]),
}  # fmt: skip


def survives(read: Callable[[Path], Any], path: Path) -> None:
    said = path.name
    try:
        read(path)
    except ValueError as error:
        said = str(error)
    assert path.name in said or str(path.parent) in said


@pytest.mark.parametrize("kind", READERS)
@FUZZ
@given(data=st.data())
def test_bytes(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """Random bytes; and right files cut short, or with some bytes replaced."""
    name, read, right = READERS[kind]
    whole = data.draw(st.sampled_from(right))
    start = data.draw(st.integers(0, len(whole)))
    changed = st.binary(max_size=12).map(lambda noise: whole[:start] + noise + whole[start + len(noise) :])
    content = data.draw(st.binary(max_size=200) | st.just(whole[:start]) | changed)
    path = tmp_path / name
    path.write_bytes(content)
    survives(read, path)


@FUZZ
@given(content=st.binary(max_size=100), start=st.integers(0, 10240), noise=st.binary(max_size=40))
def test_shards(content: bytes, start: int, noise: bytes, tmp_path: Path) -> None:
    tar = written(content)
    tar = tar[:start] + noise + tar[start + len(noise) :]
    (tmp_path / "a.tar").write_bytes(tar)
    declared = [{**SHARDS["shards"][0], "bytes": len(tar)}]  # type: ignore[index]
    (tmp_path / "manifest.json").write_text(json.dumps({**SHARDS, "shards": declared}))
    survives(lambda folder: Shards(folder).text(0), tmp_path)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all parts of a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] * bool(way) + [found for key, part in parts for found in places(part, (*way, key))]


def replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    items = value.items() if isinstance(value, dict) else enumerate(value)
    parts = {key: replaced(part, way[1:], new) if key == way[0] else part for key, part in items}
    return parts if isinstance(value, dict) else list(parts.values())


TREES: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
    "results": ("results.json", read_results, RESULTS),
    "shards": ("manifest.json", lambda path: read_manifest(path.parent), SHARDS),
    "videos": ("manifest.jsonl", read_video_manifest, ENTRY),
    "scores": ("scores.jsonl", Store, {"fingerprint": "x", "marks": {"palette_drift": "y"}, **VIDEO}),
    "folder of weights": ("config.json", lambda path: network_sources(path.parent), {"dim": 8, "model_type": "t2v"}),
    "index of weights": ("x.safetensors.index.json", lambda path: network_sources(path.parent), INDEX),
}  # fmt: skip


@pytest.mark.parametrize("kind", TREES)
@FUZZ
@given(data=st.data())
def test_one_value_of_another_kind(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    name, read, right = TREES[kind]
    way, new = data.draw(st.sampled_from(places(right))), data.draw(VALUES)
    if kind == "index of weights":
        (tmp_path / "config.json").write_text("{}")
    path = tmp_path / name
    path.write_text(json.dumps(replaced(right, way, new)) + "\n")
    survives(read, path)
