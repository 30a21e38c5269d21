"""Where results come from."""

import hashlib
from pathlib import Path

from evaluation.provenance import arithmetic_digest, arithmetic_files, differing, digest, shared_metadata, versions
from tests.evaluation.made import record


def test_digests_are_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_the_arithmetic_has_a_digest_that_follows_the_code(tmp_path: Path) -> None:
    assert arithmetic_digest() == arithmetic_digest()
    names = {file.name for file in arithmetic_files()}
    assert {"toy_motion.py", "tracker.py", "drift.py", "measure.py", "raft.py", "musiq.py", "template.py"} <= names
    code = tmp_path / "code.py"
    digests = []
    for text in ("x = 1", "x = 2"):
        code.write_text(text)
        digests.append(arithmetic_digest([code]))
    assert digests[0] != digests[1]


def test_versions_name_what_scores_depend_on() -> None:
    assert {"python", "torch", "numpy"} <= versions().keys()
    assert all(versions().values())


def test_cells_share_what_all_their_videos_agree_on() -> None:
    records = [
        record("a", 1, {}, metadata={"sink": "ema", "decay": 0.9, "took": 3}),
        record("a", 2, {}, metadata={"sink": "ema", "decay": 0.9, "took": 4}),
        record("b", 1, {}, metadata={"sink": "none", "decay": 0.9}),
    ]
    shared = shared_metadata(records)
    assert shared == {"a": {"sink": "ema", "decay": 0.9}, "b": {"sink": "none", "decay": 0.9}}
    assert differing(shared) == ["sink"]
    assert differing({"a": {"x": [1]}, "b": {}}) == ["x"]
