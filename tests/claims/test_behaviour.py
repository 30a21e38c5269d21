"""Claims about behaviour, also those that do not hold: the page about them says what the committed results say."""

import re
from functools import partial
from pathlib import Path

import pytest

from tests.claims.behaviour import RESULTS, Claim, answer, load, table

PAGES = [RESULTS.parents[1] / name for name in ("docs/explanation/claims.md", "README.md")]
of_sinks = partial(Claim, study="sink_x_loss")
of_losses = partial(Claim, study="sink_x_loss", pair=("re_dmd", "dmd"))
CLAIMS = (
    of_sinks(
        says="without a sink, long videos drift (Table 3: 5.08 against 2.65 with a static one)",
        pair=("none", "static"), metric="palette_drift", window="late", predicted="more",
    ),
    of_sinks(
        says="a static sink makes videos copy their first frames (section 3.2)",
        pair=("static", "none"), metric="copy_score", window="late", predicted="more",
    ),
    of_sinks(
        says="a static sink takes motion away (Table 3: dynamic degree 35 against 52 without one)",
        pair=("static", "none"), metric="scroll_ratio", predicted="less",
    ),
    of_sinks(
        says="EMA-Sink copies less than a static sink (section 3.2)",
        pair=("ema", "static"), metric="copy_score", window="late", predicted="less",
    ),
    of_sinks(
        says="EMA-Sink gives motion back (Table 3: dynamic degree 44 against 35)",
        pair=("ema", "static"), metric="scroll_ratio", predicted="more",
    ),
    of_sinks(
        says="EMA-Sink drifts less than no sink (Table 3: 1.77 against 5.08)",
        pair=("ema", "none"), metric="palette_drift", window="late", predicted="less",
    ),
    of_sinks(
        says="EMA-Sink drifts less than a static sink, too (Table 3: 1.77 against 2.65)",
        pair=("ema", "static"), metric="palette_drift", window="late", predicted="less",
    ),
    of_losses(
        says="Re-DMD raises motion (Table 3: dynamic degree 64 against 44)",
        metric="net_displacement", predicted="more",
    ),
    of_losses(
        says="Re-DMD pays with drift (Table 3: 2.51 against 1.77)",
        metric="palette_drift", window="late", predicted="more",
    ),
    of_losses(
        says="Re-DMD keeps what the student learnt from data (section 3.3)",
        metric="shape_accuracy", predicted="kept", margin=0.05,
    ),
)  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.says.split(" (")[0])
def test_the_study_answers(claim: Claim) -> None:
    mean, low, high = answer(claim, load(claim.study))
    assert low <= mean <= high


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_say_what_was_found(page: Path) -> None:
    written = re.search(r"<!-- claims -->\n\n(.*?)\n\n<!-- /claims -->", page.read_text(encoding="utf-8"), re.DOTALL)
    assert written, f"{page} has no block <!-- claims -->"
    found = table(CLAIMS)
    assert written[1] == found, (
        f"results changed; the block of {page} must be, and its text must agree with:\n\n{found}"
    )
