"""What TensorBoard is given can be read back: runs, bands, settings, animated samples."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from evaluation.evaluate import evaluate
from evaluation.report.reading import Results, read_results
from evaluation.report.tensorboard import file_name, write_tensorboard
from tests.evaluation.made import intact, tinted, write_study


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    manifest = write_study(tmp_path_factory.mktemp("study"), {"good": intact, "tinted": tinted}, frames=60)
    return read_results(evaluate(manifest, metrics=["palette_drift", "frame_difference"], progress=False))


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tensorboard")
    return write_tensorboard(out, results.records, results.summary, results.measures, results.folder)


def run(folder: Path, cell: str) -> EventAccumulator:
    events = EventAccumulator(str(folder / cell))
    events.Reload()
    return events


def test_every_cell_is_a_run(folder: Path, results: Results) -> None:
    cells = (*results.summary.cells, *results.summary.baselines)
    assert {path.name for path in folder.iterdir()} == {file_name(cell) for cell in cells}


def test_curves_come_with_their_bands(folder: Path, results: Results) -> None:
    events = run(folder, "tinted")
    points = results.summary.curves["tinted"]["palette_drift"].points
    for tag, attribute in (("", "mean"), ("/low", "low"), ("/high", "high")):
        written = [event.value for event in events.Scalars(f"over time/palette_drift{tag}")]
        assert written == pytest.approx([getattr(point, attribute) for point in points], rel=1e-5)
    whole = results.summary.estimates["tinted"]["palette_drift", "all"].mean
    assert events.Scalars("whole/palette_drift")[0].value == pytest.approx(whole, rel=1e-5)


def test_settings_that_differ_stand_beside_the_primary_metrics(folder: Path) -> None:
    events = run(folder, "tinted")
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"sink" in content
    assert b"tinted" in content
    assert b"checkpoint" not in content
    assert "palette_drift (late)" in events.Tags()["scalars"]
    assert "custom_scalars__config__" in events.Tags()["tensors"]


def test_samples_are_animated(folder: Path) -> None:
    images = run(folder, "good").Tags()["images"]
    assert len(images) == 3
    picture = run(folder, "good").Images(images[0])[0]
    assert picture.encoded_image_string.startswith(b"GIF89a")
    assert (picture.width, picture.height) == (96, 96)


def test_baselines_have_no_settings_and_no_samples(folder: Path) -> None:
    tags = run(folder, "truth").Tags()
    assert tags["images"] == []
    assert not [tag for tag in tags["scalars"] if "(" in tag]
