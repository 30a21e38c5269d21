from pathlib import Path

import pytest

from reward_forcing.data.manifest import Field, Manifest, Shard, read_manifest, write_manifest, write_whole

MANIFEST = Manifest(
    clips=3,
    fields={"video.npy": Field("uint8", (2, 3, 4, 4)), "caption.txt": Field("text")},
    shards=(Shard("shard-000000.tar", 3, 10240, "ab"),),
    origin={"kind": "test", "nested": {"list": [1, 2.5, None]}},
)


def test_round_trip(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"schema": 2}',
        '{"schema": 1, "clips": 1, "fields": {}, "shards": [{"name": 1}], "origin": {}}',
    ],
)
def test_unreadable_manifests_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest.json is unreadable .*; delete .* and write it again"):
        read_manifest(tmp_path)


def test_missing_folders_and_manifests_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is incomplete: it has no manifest.json"):
        read_manifest(tmp_path)
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        read_manifest(tmp_path / "nowhere")


def test_text_replaces_text_whole(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_whole(path, "long before")
    write_whole(path, "after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]
