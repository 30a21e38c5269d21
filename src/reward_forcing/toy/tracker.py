"""What can be measured in a toy video from its pixels alone. Pure functions; ground truth scores perfectly.

All take video [clip, frame, 3, 32, 32] in [-1, 1] (or what `track` made of it) and, where words matter, one prompt a clip.
Scores are one number a clip or a frame, NaN where the prompt makes the question meaningless (`pan_accuracy` of `pan-any`).

| function | gives | truth |
|---|---|---|
| `track(video, prompts)` | Track: everything below starts from it | |
| `one_sprite(track)` [clip, frame] | 1 where exactly one sprite of one colour is seen | 1 |
| `colour_accuracy`, `shape_accuracy(track, prompts)` [clip, frame] | 1 where one sprite is seen and is as captioned | 1 |
| `speed_accuracy(track, prompts)` [clip] | 1 where the sprite's speed is nearest to the captioned word; NaN for `any` | 1 |
| `pan_accuracy(track, prompts)` [clip] | the same for the pan; NaN for `pan-any` and `plain` | 1 |
| `step_motion(track)` [clip, frame - 1] | pixels the sprite moved; NaN across lost sprites and jumps | |
| `net_displacement(track, frames=12)` [clip, window] | pixels between centroids `frames` apart; wobble cancels | |
| `scroll_displacement(track, frames=12)` [clip, window] | pixels panned in `frames` frames, signed | |
| `scroll_ratio(track, prompts, frames=12)` [clip] | panned / captioned; NaN without a moving pan word | 1 +-.12 |
| `jitter(track)` [clip] | mean second difference of the centroid, pixels | about 0.1 |
| `jumps(track)` [clip] | share of frame pairs in which the sprite teleports (> 5 px) | 0 |
| `palette_distance(track)` [clip, frame] | mean RGB distance of the background to the first chunk's palette segment | 0 |
| `contrast(track)` [clip, frame] | background amplitude relative to the first chunk | 1 |
| `copy_score(track)` [clip, frame] | correlation of the background with the first frame at zero shift | 0 on average when panning |
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Track:
    """What was seen in each frame. Lengths in pixels, colours in [0, 1]."""

    one: Bool[Tensor, "clip frame"]  # exactly one sprite of one colour
    centre: Float[Tensor, "clip frame 2"]  # (x, y) centroid of the largest sprite; meaningless where not `one`
    colour: Int[Tensor, "clip frame"]  # index into captions.COLOURS
    shape: Int[Tensor, "clip frame"]  # index into captions.SHAPES
    iou: Float[Tensor, "clip frame"]  # overlap with the best shape template, 0 to 1
    shift: Float[Tensor, "clip frame-1"]  # camera pan between neighbours, signed; 0 in the plain world
    palette_distance: Float[Tensor, "clip frame"]
    contrast: Float[Tensor, "clip frame"]
    copy: Float[Tensor, "clip frame"]


def track(video: Float[Tensor, "clip frame 3 height width"], prompts: Sequence[str]) -> Track:
    """Measure a batch of videos. The prompts only tell which clips are plain (their background is fitted as a gradient)."""
    raise NotImplementedError(f"{video.shape} {len(prompts)}")
