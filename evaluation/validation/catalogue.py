"""The page about all metrics and drift statistics: what they say of themselves, and what is known to fool them.

`python -m evaluation.validation.catalogue` writes `docs/how-to/metrics.md`; a test holds that it is up to date.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from evaluation.courses import DRIFTS, RELATIVE, judge
from evaluation.functional import degradation, drift
from evaluation.measure import Measure, discover
from evaluation.report.view import WINDOW_WORDS
from evaluation.table import atomically

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/metrics.md"
FROZEN: Final = "a frozen video is perfect"

FOOLED: Final[Mapping[str, str]] = {
    "one_sprite": FROZEN,
    "colour_accuracy": FROZEN,
    "shape_accuracy": FROZEN,
    "shape_overlap": FROZEN,
    "speed_accuracy": "wobble at the right speed",
    "caption_accuracy": "colour and shape alone are half of it: a still scores about 0.6",
    "colour_kept": f"{FROZEN}; blind where the sprite is lost",
    "shape_kept": f"{FROZEN}; blind where the sprite is lost",
    "identity": f"{FROZEN}; blind where the sprite is lost",
    "fidelity": f"{FROZEN}; a clean picture of the wrong thing is, too",
    "sprite_colour_error": "noise averages out; blind to where the sprite is",
    "resets": "a lively sprite may pass its start by chance; blind to slow returns",
    "net_displacement": "fast captions; resets, if their period is not 12 frames",
    "motion_ratio": "single videos vary by a third with direction and bounces: read means",
    "step_motion": "wobble, jitter and flicker of the place count as motion",
    "jitter": "bounces count; a still has none",
    "jitter_ratio": "single videos vary with bounces; a still has none",
    "jumps": "a lost sprite is not a jump",
    "pan_accuracy": "the mean speed counts: stop and go may pass",
    "pan_direction": "speed does not count",
    "scroll_ratio": "a strong pattern is tracked better than a faded one",
    "seam_cuts": "cuts where the caption asks for them, and a frozen video",
    "chunk_seams": "a change of the whole level of motion; a few seams among many frames",
    "palette_drift": f"{FROZEN}; so is one that goes grey; noise has all colours from the start",
    "contrast": f"{FROZEN}; over-contrast counters fading in a mean",
    "copy_score": "a wave that comes round once in 64 pixels; a grey video does not copy",
    "relapse_excess": "a still is below 0: never left, nothing to relapse",
    "state_frechet": "a floor of about 2 for the truth itself; blind to colours and shapes",
    "frame_difference": "noise, flicker and cuts count as motion",
    "temporal_flickering": f"{FROZEN}; motion costs",
    "sink_similarity": "a still is a copy of itself: read with motion",
    "sink_relapse": "a still never relapses; things that come back by nature do",
    "sink_relapses": "a still never relapses; shaking counts every time",
    "revisits": "a still revisits throughout; slow returns are nearer to other frames",
    "stagnation": "noise hides a still",
    "subject_consistency": f"{FROZEN}; motion costs",
    "background_consistency": f"{FROZEN}; motion costs",
    "clip_consistency": FROZEN,
    "dynamic_degree": "flicker, noise, cuts and camera shake are dynamic; yes or no: noisy; the frame rate counts",
    "flow_strength": "flicker, noise and shake are motion",
    "flow_median": "flicker, noise and shake are motion",
    "moving_pairs": "flicker, noise and shake are motion",
    "static_flickering": "only static videos are judged",
    "motion_smoothness": f"{FROZEN}; slow videos are smoother",
    "aesthetic_quality": "over-exposure and saturation score high; frame by frame: blind to time",
    "imaging_quality": "over-sharp, degraded frames score high; frame by frame: blind to time",
    "clip_score": "blind to time and to order",
    "temporal_style": "prompts are cut at 32 tokens; a narrow range",
    "overall_consistency": "prompts are cut at 32 tokens; a narrow range",
    "scene": "words within longer words count; captions leave out the obvious; ten of 16 frames do not count",
    "scene_all_frames": "words within longer words count; captions leave out the obvious",
    "video_reward_mq": "training on it (Re-DMD) raises it of itself",
    "video_reward_vq": "training on it (Re-DMD) raises it of itself",
    "video_reward_ta": "training on it (Re-DMD) raises it of itself",
    "video_reward_overall": "training on it (Re-DMD) raises it of itself",
    "judge_text_alignment": "the judge's taste; words in the frames; few frames are shown",
    "judge_dynamics": "stills tell little of motion: a judge guesses it from few frames",
    "judge_visual_quality": "the judge's taste; pictures are shrunk before it sees them",
    "proxy/object_class": "low thresholds find what is not there; toys and pictures of the thing count",
    "proxy/multiple_objects": "both may be found in one thing",
    "proxy/color": "colours of light and background inside the box; things of several colours",
    "proxy/spatial_relationship": "places in the picture, not in space",
    "drift_std": "blind to what is constantly bad, to freezing, and to the direction; motion raises it",
    "drift_last_first": "two windows only; a still has none",
    "drift_start_end": "without a sign; a still has none",
    "drift_five_seconds": "without a sign; a still has none; short videos overlap",
    "drift_slope": "one outlier at an end; a dip that recovers",
    "drift_slope_robust": "sudden damage to less than a third of the video",
    "drift_vde_normalised": "scores near 0; a bad beginning looks stable",
    "drift_ratio": "scores near 0; a bad beginning looks stable",
    "worst_window": "constantly bad is no worse than bad once",
    "time_to_degrade": "a noisy beginning allows more; the length of the video caps it",
}
"""What gives a good or a wrong score without deserving it, by the name of a metric or statistic."""


def words_of(function: Callable[..., Any]) -> str:
    """The first paragraph of a function's description, on one line."""
    plain = function.func if isinstance(function, partial) else function
    return (inspect.getdoc(plain) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def direction(measure: Measure) -> str:
    """Which scores are better, and what the truth has."""
    arrow = {"higher": "↑", "lower": "↓", "target": "→", "open": "–"}[measure.better]
    return arrow if np.isnan(measure.target) else f"{arrow} {measure.target:g}"


def metrics_table(kind: str) -> str:
    """All metrics of a kind, as Markdown."""
    lines = ["| metric | is | better | fooled by |", "|---|---|---|---|"]
    for measure in discover().values():
        if measure.kind == kind:
            unit = f" ({measure.unit})" if measure.unit else ""
            title = f"`{measure.name}`{unit}"
            said = f"{words_of(measure.function)}{looks_through(measure)}"
            lines.append(f"| {title} | {said} | {direction(measure)} | {FOOLED.get(measure.name, '')} |")
    return "\n".join(lines)


def looks_through(measure: Measure) -> str:
    """Which networks a metric needs and which parts of a video it scores, where that is not all."""
    needs = [name for name in measure.needs if name != "pixels"]
    notes = [f"needs {', '.join(needs)}"] if needs else []
    notes += ["whole videos only"] if measure.scope == "whole" else []
    return f" *{'; '.join(notes).capitalize()}.*" if notes else ""


def drifts_table() -> str:
    """All statistics over sliding windows, as Markdown."""
    example = Measure(name="m", title="m", unit="unit", better="higher", kind="any", function=lambda _: _.toy.iou)
    lines = ["| statistic | in reports | is | unit | better | fooled by |", "|---|---|---|---|---|---|"]
    for name in DRIFTS:
        judged = judge(example, name)
        unit = "" if name in RELATIVE else "s" if judged.unit == "s" else "the metric's"
        shown = WINDOW_WORDS[name].replace("|", "\\|")
        said = words_of(getattr(drift if hasattr(drift, name) else degradation, name))
        lines.append(f"| `{name}` | {shown} | {said} | {unit} | {direction(judged)} | {FOOLED.get(name, '')} |")
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    return PROSE.format(toy=metrics_table("toy"), any=metrics_table("any"), drifts=drifts_table())


def main(target: Path = PAGE) -> None:
    """Write the page."""
    atomically(target, lambda partial: partial.write_text(page(), encoding="utf-8"))


PROSE: Final = """\
# Metrics and drift, one by one

Tables are written by `python -m evaluation.validation.catalogue` from the code. ↑ higher is better, ↓ lower, → closest
to the number on average over videos, – describes and does not judge; a number is what the truth scores. Which damage
moves which metric, measured: [metrics-sensitivity.md](../metrics-sensitivity.md).
How to run them: [evaluate.md](evaluate.md).

No metric stands alone: nearly all can be had by standing still. Read quality beside motion, and both beside the grey
rows: *truth*, *frozen first frame*, *noise*, *shuffled frames* (right frame by frame) and *first half twice* (nothing
new).

## The toy world: exact, by its tracker

Where a metric is about the sprite, frames without exactly one sprite are left out (`NaN`, not 0): read it beside
`one_sprite`, which is the presence. `fidelity` draws every frame again from what was found in it.

{toy}

## Any video

Relapse and similarity compare every frame with the first 3 by correlation of pixels; `revisits` uses grey thumbnails.
`evaluation.functional.sink_copying` takes features of any network for the same questions, and more: late similarity,
resets in the rhythm of chunks, cuts at their boundaries, seams, and RIFLEx's NoRepeat.

{any}

## Statistics over time

Of every metric, over sliding windows. A window without a score is left out.

{drifts}

Directions are those of a metric of which higher is better. `worst_window` and `time_to_degrade` follow the metric:
where lower is better the highest windows are the worst; with a target, distances to it count; metrics that do not judge
have neither. A video that holds out counts with its whole length in `time_to_degrade`, so compare videos of one length;
`evaluation.functional.degradation.kaplan_meier` turns times into the share of videos that have not degraded by then.
Relative statistics are left out where the best score is 0.
"""

if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
