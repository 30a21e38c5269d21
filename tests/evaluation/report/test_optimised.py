"""A page about a cell that was trained on what it is compared on."""

import json
from pathlib import Path

from evaluation.evaluate import evaluate
from evaluation.report.page import write_report
from tests.evaluation.made import frozen, intact, write_study

PROMPTS = [f"{colour} circle fast pan-slow" for colour in ("red", "green", "blue", "yellow", "cyan", "magenta")]


def test_pages_say_what_was_optimised(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"dmd": frozen, "re_dmd": intact}, frames=30, prompts=PROMPTS)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for line in lines:
        line["metadata"]["reward"] = {"dmd": "none", "re_dmd": "tracked_motion"}[line["cell"]]
    manifest.write_text("\n".join(map(json.dumps, lines)) + "\n")
    metrics = ["net_displacement", "shape_accuracy"]
    page = write_report(evaluate(manifest, metrics=metrics, baselines=False, progress=False))
    html, markdown = page.read_text(), page.with_suffix(".md").read_text()
    assert '<td class="optimised">' in html
    assert "px in 12 frames, ↑, optimised" in html
    assert "grey fields are of cells trained on what they show" in html
    assert "**better** (optimised)" in markdown
    assert (
        "Trained on a reward (re_dmd: tracked_motion): metrics of the same quantity, here net displacement," in markdown
    )
    assert html.count('<td class="optimised">') < html.count("<td")
