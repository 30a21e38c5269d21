"""The tables of VBench-Long, in their own format."""

from pathlib import Path

import pytest

from evaluation.vbench.long import clip_lengths, clip_seconds, flat_table, fusion_weights, mapping_table
from evaluation.vbench.source import Copy, find_copy
from evaluation.vbench.suites import read_suite
from tests.evaluation.vbench.vbench_copy import write_clone


@pytest.fixture
def clone(tmp_path: Path) -> Copy:
    return find_copy(write_clone(tmp_path))


def test_clips_are_as_long_as_the_longest_dimension_wants(clone: Copy) -> None:
    lengths, suite = clip_lengths(clone), read_suite(clone)
    assert lengths == {"overall_consistency": 10, "aesthetic_quality": 2, "color": 2}
    assert clip_seconds("a meadow", suite, lengths) == 10, "aesthetic quality is scored on the same clips"
    assert clip_seconds("a red kite", suite, lengths) == 2
    with pytest.raises(ValueError, match=r"'a still pond': no clip length; its dimensions: \('temporal_flickering',\)"):
        clip_seconds("a still pond", suite, lengths)
    with pytest.raises(ValueError, match="'a castle': no clip length; its dimensions: none"):
        clip_seconds("a castle", suite, lengths)


@pytest.mark.parametrize(
    ("score", "mapped"), [(-1, 0), (0, 0), (0.25, 0.4), (0.5, 0.8), (0.6, 0.84), (1, 1), (1.2, 1), (0.75, 0.9)]
)
def test_scores_between_clips_are_interpolated(clone: Copy, score: float, mapped: float) -> None:
    assert mapping_table(clone, "subject")(score) == pytest.approx(mapped)


def test_weights_of_fusion(clone: Copy) -> None:
    assert fusion_weights(clone, "subject") == (0.7, 0.3)
    with pytest.raises(ValueError, match="w_inclip_bg, w_clip2clip_bg is missing"):
        fusion_weights(clone, "background")


def test_missing_and_wrong_tables_are_named(clone: Copy, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no vbench2_beta_long/configs/background_mapping_table.yaml"):
        mapping_table(clone, "background")
    (tmp_path / "vbench2_beta_long/configs/background_mapping_table.yaml").write_text("0.0: 0.0")
    with pytest.raises(ValueError, match="background_mapping_table.yaml: 1 knots; a table has two or more"):
        mapping_table(clone, "background")
    with pytest.raises(ValueError, match="x, line 2: 'b: many'; allowed: name: number"):
        flat_table("a: 1\nb: many", "x")
