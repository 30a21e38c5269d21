"""Files are found where they were said to be, then in the folder, then where others keep them; the network is last."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.backends.backend import File, discover
from evaluation.backends.locate import Shelf, check_keys, fetch, find, shelf

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = File(
    key="net",
    names=("net.pth", "net-other.pth"),
    size=7_000_000,
    licence="MIT",
    hint="https://example.org/net.pth",
    repo="someone/net",
    repo_file="model.pth",
    cached=("net_model/net.pth",),
)


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every place that is looked into, all below one folder and empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_best_place_wins(caches: Path) -> None:
    """Put into the worst place first: every better one hides it."""
    where = Shelf(folder=caches / "mine")
    assert find(FILE, where) is None
    hub = "hub/models--someone--net/snapshots/abc/model.pth"
    put(caches / "hub/models--someone--net/refs/main", b"abc")
    places = (
        hub,
        "vbench/net_model/net.pth",
        "torch/hub/checkpoints/net-other.pth",
        "mine/net-other.pth",
        "mine/net.pth",
    )
    for place in places:
        put(caches / place)
        assert find(FILE, where) == caches / place


def test_a_given_file_is_taken_under_any_name(caches: Path) -> None:
    put(caches / "mine/net.pth")
    given = put(caches / "elsewhere/renamed.bin")
    where = shelf([caches / "mine", f"net={given}"])
    assert find(FILE, where) == given
    assert find(replace(FILE, key="other"), where) == caches / "mine/net.pth"


def test_what_is_nowhere_is_told_with_how_to_get_it(caches: Path) -> None:
    with pytest.raises(ValueError, match=r"net.pth is neither in .*mine nor in a cache; get it \(7 MB\): https://exam"):
        fetch(FILE, Shelf(folder=caches / "mine"))


def test_another_content_is_refused(caches: Path) -> None:
    path = put(caches / "net.pth")
    where = Shelf(folder=caches)
    assert fetch(replace(FILE, sha256=DIGEST), where) == fetch(replace(FILE, sha256=DIGEST[:8]), where) == path
    with pytest.raises(ValueError, match=rf"net.pth is not net.pth: its SHA-256 is {DIGEST[:16]}..., not 00000000"):
        fetch(replace(FILE, sha256="0" * 64), where)


def test_downloads_happen_only_if_they_are_said_and_are_checked(caches: Path) -> None:
    source = put(caches / "server/net.pth")
    file = replace(FILE, repo="", repo_file="", url=source.as_uri(), sha256=DIGEST)
    with pytest.raises(ValueError, match="is neither in"):
        fetch(file, Shelf(folder=caches / "mine"))
    assert fetch(file, Shelf(folder=caches / "mine", download=True)).read_bytes() == CONTENT
    assert fetch(file, Shelf(folder=caches / "mine")) == caches / "mine/net.pth"
    with pytest.raises(
        ValueError, match=r"net.pth could not be downloaded \(invalid hash value .*; get it by hand: http"
    ):
        fetch(replace(file, sha256="0" * 64), Shelf(folder=caches / "other", download=True))
    assert not list((caches / "other").iterdir())


def test_a_hub_out_of_reach_is_a_reason(caches: Path) -> None:
    with pytest.raises(ValueError, match=r"net.pth could not be downloaded \(.+\); get it by hand: https://example"):
        fetch(FILE, Shelf(folder=caches / "mine", download=True))


def test_what_a_user_says_is_checked(tmp_path: Path) -> None:
    assert shelf() == Shelf()
    assert shelf([tmp_path / "new"], download=True).folder == tmp_path / "new"
    with pytest.raises(ValueError, match=r"weights: .*new; allowed: one folder that exists, and KEY=FILE"):
        shelf([tmp_path / "new"])
    with pytest.raises(ValueError, match="allowed: one folder"):
        shelf([tmp_path, tmp_path])
    with pytest.raises(ValueError, match=r"weights: dino=.*none.pth: there is no such file"):
        shelf([f"dino={tmp_path / 'none.pth'}"])
    with pytest.raises(ValueError, match=r"weights: 'dinosaur' is unknown; allowed: actions, amt, .*"):
        check_keys(Shelf({"dinosaur": tmp_path}), discover())
