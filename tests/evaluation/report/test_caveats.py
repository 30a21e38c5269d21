"""Each reason for care is found when it is there, and only then."""

import pytest

from evaluation.measure import discover
from evaluation.report.caveats import caveats
from evaluation.summary import summarise
from evaluation.table import Record
from tests.evaluation.made import record

TOY = {"one_sprite": 1.0, "contrast": 1.0}


def found(records: list[Record], **content: object) -> str:
    return "\n".join(caveats(records, summarise(records, discover()), {"failed": [], "skipped": {}, **content}))


def sound() -> list[Record]:
    """Two cells, three trained models each, many prompts."""
    return [record(cell, seed, TOY, metadata={"training_seed": seed % 3}) for cell in ("a", "b") for seed in range(24)]


def test_a_sound_study_only_hears_about_many_comparisons() -> None:
    assert found(sound()).startswith("2 primary comparisons: their p-values are corrected")
    assert found(sound()).count("\n") == 0


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([record("a", seed, TOY) for seed in range(24)], "Training seeds per cell: 1"),
        (sound()[:30], "b lacks 18 of 24"),
        ([r for r in sound() if r.seed < 5], "Only 5 prompts"),
        ([*sound(), record("c", 0, TOY, frames=21)], "a 48, b 48, c 21 frames"),
        ([*sound(), record("c", 0, {"frame_difference": 1.0})], "1 videos are not of the toy world"),
        (
            [*sound(), record("c", 0, TOY, metadata={"reward": "tracked_motion"})],
            r"Trained on a reward (c: tracked_motion)",
        ),
    ],
)
def test_reasons_for_care_are_found(records: list[Record], words: str) -> None:
    assert words in found(records)


def test_metrics_that_training_optimised_are_named() -> None:
    scores = {"net_displacement": 1.0, "frame_difference": 1.0, "palette_drift": 1.0}
    records = [record("a", seed, scores, metadata={"reward": "weighted_sum: 1 tracked_motion"}) for seed in range(24)]
    words = "\n".join(
        caveats(records, summarise(records, discover()), {"failed": [], "skipped": {}}, measures=discover())
    )
    assert "(a: weighted_sum: 1 tracked_motion): metrics of the same quantity, here net displacement, are opt" in words


def test_training_without_a_reward_is_no_reason() -> None:
    assert "reward" not in found([record("a", s, TOY, metadata={"reward": "none"}) for s in range(24)])


def test_failed_skipped_and_odd_videos_are_told() -> None:
    failed = [{"cell": "a", "video": f"a-{i}.mkv", "prompt": "x", "seed": i, "reason": "broken"} for i in range(5)]
    skipped = {"imaging_quality": "no weights", "aesthetic_quality": "no weights"}
    odd = [*sound(), record("a", 99, TOY, notes=("a single frame",), metadata={"training_seed": 0})]
    words = found(odd, failed=failed, skipped=skipped)
    assert "Videos without scores: 5 (a-0.mkv: broken; a-1.mkv: broken; a-2.mkv: broken; and 2 more)." in words
    assert "Not measured: aesthetic_quality, imaging_quality; reasons stand under Protocol." in words
    assert "1 videos (the first, a: a-99.mkv): a single frame." in words
