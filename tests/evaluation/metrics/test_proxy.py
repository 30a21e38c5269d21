"""Proxies on scripted detections: what is asked, found and not found; their names work everywhere and in no total."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evaluation.backends.detector import surest, watch
from evaluation.evaluate import evaluate
from evaluation.evidence import Evidence, observe
from evaluation.instruments import BUILT_IN, Equipment
from evaluation.metrics.proxy import MEASURES
from evaluation.report.page import write_report
from evaluation.report.reading import read_results
from evaluation.report.tensorboard import write_tensorboard
from evaluation.signals import Asked
from evaluation.table import from_json
from evaluation.vbench import totals
from evaluation.vbench.results import read_results as read_official
from evaluation.vbench.words import own_scores, told_totals
from evaluation.video_metric import VideoMetric
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.networks.filling import noise

NAMES = [measure.name for measure in MEASURES]
SCORES = dict.fromkeys(NAMES, float("nan"))
CAR = {"object_a": "dog", "object_b": "car", "relationship": "on the left of"}


def detect(frame: Tensor, names: Sequence[str]) -> Tensor:
    """Red things are dogs, blue ones cars; each is one box around all its pixels."""
    found = []
    for name in names:
        plane = {"dog": 0, "car": 2}.get(name)
        seen = (frame[plane] > 128).nonzero() if plane is not None else torch.empty(0, 2)
        if len(seen):
            low, high = seen.amin(0) / len(frame[0]), (seen.amax(0) + 1) / len(frame[0])
            row = torch.tensor([[0.9, low[1], low[0], high[1], high[0]]])
            found.append(surest(row, torch.zeros(1), 1))
        else:
            found.append(surest(torch.empty(0, 5), torch.empty(0), 1))
    return torch.cat(found)


def scene(dog: int | None, car: int | None, *, frames: int = 16) -> Tensor:
    """A red square from a column on, and a blue one, of 8 pixels each, on black."""
    video = torch.zeros(1, frames, 3, 32, 32, dtype=torch.uint8)
    for plane, column in ((0, dog), (2, car)):
        if column is not None:
            video[:, :, plane, 12:20, column : column + 8] = 255
    return video


def looked(frames: Tensor, prompt: str, details: dict[str, Any]) -> Evidence:
    asked = Asked((prompt,), frames.shape[1], 8.0, ((0, frames.shape[1]),), (details,))
    return observe(frames.split(5, 1), asked, {"detector": partial(watch, detector=detect)})


def scored(frames: Tensor, prompt: str = "x", **details: Any) -> dict[str, float]:
    evidence = looked(frames, prompt, details)
    return {measure.name: float(measure(evidence)) for measure in MEASURES}


def noted(dimension: str, content: object) -> dict[str, Any]:
    return {"auxiliary_info": {dimension: content}}


def test_objects_that_are_there_half_of_the_time() -> None:
    half = torch.cat([scene(2, None, frames=8), scene(None, None, frames=8)], 1)
    found = scored(half, objects=["dog"])
    assert found == pytest.approx({**SCORES, "proxy/object_class": 0.5}, nan_ok=True)
    assert scored(half, objects=["bird"])["proxy/object_class"] == 0
    assert scored(half, "a dog", vbench=noted("object_class", {"object": "dog"}))["proxy/object_class"] == 0.5


def test_two_objects_and_where_they_are() -> None:
    for dog, car, both, place in ((2, 20, 1, 1), (20, 2, 1, 0), (2, None, 0, 0)):
        found = scored(scene(dog, car), objects=["dog", "car"], relationship="on the left of")
        assert found == pytest.approx(
            {**SCORES, "proxy/multiple_objects": both, "proxy/spatial_relationship": place}, nan_ok=True
        )
    vbench = noted("spatial_relationship", {"spatial_relationship": CAR})
    assert scored(scene(2, 20), vbench=vbench)["proxy/spatial_relationship"] == 1
    vbench = noted("multiple_objects", {"object": "dog and car"})
    assert scored(scene(2, 20), vbench=vbench)["proxy/multiple_objects"] == 1


def test_colours_of_what_is_found() -> None:
    def colour(word: str) -> float:
        return scored(scene(2, 20), f"a {word} dog", vbench=noted("color", {"color": word}))["proxy/color"]

    assert (colour("red"), colour("blue")) == (1, 0)
    assert colour("turquoise") != colour("turquoise"), "a word that is not known: no score"
    missing = scored(scene(None, 20), objects=["dog"], color="red")
    assert missing["proxy/color"] == 0, "an object that is not there has not got its colour"


def test_relations_that_are_not_known_have_no_score() -> None:
    found = scored(scene(2, 20), objects=["dog", "car"], relationship="inside of")
    assert found["proxy/spatial_relationship"] != found["proxy/spatial_relationship"]


def test_parts_that_were_not_looked_at_have_no_score() -> None:
    evidence = looked(scene(2, 20), "x", {"objects": ["dog"]})
    assert all(measure(evidence.between(2, 9)).isnan().all() for measure in MEASURES)


def test_wrong_metadata_give_no_score_and_a_note() -> None:
    evidence = looked(scene(2, 20), "x", {"objects": 5})
    assert all(measure(evidence).isnan().all() for measure in MEASURES)
    assert evidence.notes[0].startswith("no objects are looked for: metadata.objects is 5")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells of two videos, scored by proxies alone."""
    folder = tmp_path_factory.mktemp("study")
    lines = []
    for cell, dog in (("left", 2), ("right", 22)):
        for seed in range(2):
            path = folder / f"{cell}-{seed}.mkv"
            write_clip(path, Clip(scene(dog, 12, frames=30)[0], 8.0))
            metadata = {"objects": ["dog", "car"], "relationship": "on the left of", "cell": cell}
            line = {"video": path.name, "prompt": f"{seed}", "seed": seed, "cell": cell, "fps": 8, "metadata": metadata}
            lines.append(json.dumps(line))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    equipment = Equipment({**BUILT_IN, "detector": partial(watch, detector=detect)})
    return evaluate(folder / "manifest.jsonl", metrics=NAMES, equipment=equipment, baselines=False, progress=False)


def test_names_with_a_slash_work_in_every_file(results: Path, tmp_path: Path) -> None:
    header = (results.parent / "per_video.csv").read_text().splitlines()[0]
    assert header.endswith(",".join(NAMES))
    page = write_report(results, tmp_path / "report.html")
    assert "proxy: place" in page.read_text()
    found = read_results(results)
    assert found.summary.estimates["left"]["proxy/spatial_relationship", "all"].mean == 1
    assert found.summary.estimates["right"]["proxy/spatial_relationship", "all"].mean == 0
    write_tensorboard(tmp_path / "board", found.records, found.summary, found.measures, found.folder)
    assert len([*(tmp_path / "board").rglob("events*")]) >= 2
    assert not [*(tmp_path / "board").rglob("*proxy*")], "no folder is made of a name"


def test_names_with_a_slash_are_classes() -> None:
    from evaluation import video_metric

    kind: Any = video_metric.ProxySpatialRelationship
    metric = kind(equipment=Equipment({"detector": partial(watch, detector=detect)}))
    assert isinstance(metric, VideoMetric)
    metric.update(noise(1, 16, 3, 16, 16), ["a dog"])
    assert metric.compute().isnan()


def test_totals_know_no_proxies(results: Path, tmp_path: Path) -> None:
    records = [from_json(record) for record in json.loads(results.read_text())["videos"]]
    assert own_scores(records) == {"left": {}, "right": {}}
    scores = dict.fromkeys(NAMES, 1.0)
    assert "missing" in "\n".join(told_totals("x", scores))
    assert totals.partial(scores, totals.SEMANTIC).present == ()
    with pytest.raises(ValueError, match="Semantic needs all its members"):
        totals.semantic(scores)
    with pytest.raises(ValueError, match="'proxy/color' is no dimension of VBench"):
        totals.normalise("proxy/color", 0.5)
    (tmp_path / "x.json").write_text(json.dumps({"proxy/color": [0.5, []]}))
    with pytest.raises(ValueError, match="'proxy/color' is no dimension of VBench"):
        read_official([tmp_path / "x.json"])


def test_names_and_titles_fit_into_tables() -> None:
    for measure in MEASURES:
        assert measure.name.startswith("proxy/")
        assert measure.name.replace("/", "_").isidentifier()
        assert 0 < len(measure.title) <= 24
        assert (measure.kind, measure.scope, measure.better) == ("any", "whole", "higher")
