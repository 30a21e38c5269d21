"""What can be measured in a toy video from its pixels alone. Pure functions; ground truth scores perfectly.

All take video [clip, frame, 3, 32, 32] in [-1, 1] (or what `track` made of it) and, where words matter, one prompt a
clip. Scores are NaN where the prompt makes the question meaningless (`pan_accuracy` of `pan-any`).

| function | gives | truth |
|---|---|---|
| `track(video, prompts)` | Track: all below starts from it | |
| `window(track, start, stop)` | frames start..stop-1 of it, references kept | |
| `track.one` [clip, frame] | 1 where exactly one sprite is seen | 1 |
| `colour_accuracy`, `shape_accuracy(track, prompts)` [clip, frame] | 1 where one is seen, as captioned | 1 |
| `speed_accuracy(track, prompts)` [clip] | 1 where its speed is nearest to the word's; NaN for `any` | 1 |
| `pan_accuracy(track, prompts)` [clip] | the same for the pan; NaN for `pan-any` and `plain` | 1 |
| `step_motion(track)` [clip, frame - 1] | pixels the sprite moved; NaN across lost sprites and jumps | |
| `net_displacement(track, frames=12)` [clip, window] | pixels between centroids `frames` apart; wobble cancels | |
| `scroll_displacement(track, frames=12)` [clip, window] | pixels panned in `frames` frames, signed | |
| `scroll_ratio(track, prompts, frames=12)` [clip] | panned / captioned; NaN without a moving pan word | 1 +-.12 |
| `jitter(track)` [clip] | mean second difference of the centroid, pixels | about 0.1 |
| `jumps(track)` [clip] | share of frame pairs in which the sprite teleports (> 5 px) | 0 |
| `track.palette_distance` [clip, frame] | mean RGB distance of the background to the first chunk's palette | 0 |
| `track.contrast` [clip, frame] | background amplitude relative to the first chunk | 1 |
| `track.copy` [clip, frame] | correlation of the background with frame 0, unshifted | 0 on average when panning |
| `track.colour_kept`, `track.shape_kept` [clip, frame] | 1 where the sprite is as in the first chunk | 1 |
| `track.fidelity` [clip, frame] | PSNR against the frame drawn again from its state, dB | 50 |
| `track.paint_error` [clip, frame] | RGB distance of the sprite's inside to its colour | 0 |
| `resets(track)` [clip] | how often the sprite jumps back to where it started | 0 |
| `pan_direction(track, prompts)` [clip, window] | 1 where the camera pans as captioned, -1 backwards | 1 |
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reward_forcing.toy.backgrounds import measure_backgrounds
from reward_forcing.toy.captions import COLOURS, SHAPES, parse
from reward_forcing.toy.likeness import Likeness, measure_likeness
from reward_forcing.toy.sprites import find_sprites
from reward_forcing.toy.world import PAN_OF_WORD, SPEED_OF_WORD

JUMP: Final = 5.0  # pixels between two frames: no sprite flies that fast, it was lost and drawn elsewhere
RETURN: Final = 1.5  # pixels: this near to its first place the sprite is back
TOO_WRONG: Final = 0.25  # pixels per frame: a still camera may seem to move by less
CLIPS_AT_ONCE: Final = 16  # bounds the memory of `track`


@dataclass(frozen=True)
class Track:
    """What was seen in each frame. Lengths in pixels, colours in [0, 1]. The first chunk is the first 3 frames."""

    one: Bool[Tensor, "clip frame"]  # exactly one sprite of one colour
    centre: Float[Tensor, "clip frame 2"]  # (x, y) centroid of the largest sprite; meaningless where not `one`
    colour: Int[Tensor, "clip frame"]  # index into captions.COLOURS
    shape: Int[Tensor, "clip frame"]  # index into captions.SHAPES
    iou: Float[Tensor, "clip frame"]  # overlap with the best shape template, 0 to 1
    shift: Float[Tensor, "clip pair"]  # camera pan between neighbours, signed; 0 in the plain world
    palette_distance: Float[Tensor, "clip frame"]
    contrast: Float[Tensor, "clip frame"]
    copy: Float[Tensor, "clip frame"]
    pattern: Float[Tensor, "clip frame 3 3"]  # of the background, see `backgrounds.fit_pattern`
    colour_kept: Float[Tensor, "clip frame"]  # this and the rest: see `likeness.Likeness`
    shape_kept: Float[Tensor, "clip frame"]
    from_start: Float[Tensor, "clip frame"]
    fidelity: Float[Tensor, "clip frame"]
    paint_error: Float[Tensor, "clip frame"]


@torch.no_grad()
def track(video: Float[Tensor, "clip frame 3 height width"], prompts: Sequence[str], *, redraw: bool = True) -> Track:
    """Measure a batch of videos; of the prompts it only uses which clips are plain (fitted as a gradient).

    Args:
        video: in [-1, 1].
        prompts: one a clip.
        redraw: whether frames are drawn again from their state and compared, a fifth of the work; else the likeness
            (the fields from `colour_kept` on) is NaN.

    Raises:
        ValueError: not one prompt a clip, or a prompt that is no caption.
    """
    if len(prompts) != len(video):
        raise ValueError(f"tracker.track: {len(prompts)} prompts for {len(video)} clips; one a clip is needed")
    plain = torch.tensor([parse(prompt).plain for prompt in prompts], device=video.device)
    parts = [
        _track(*part, redraw=redraw)
        for part in zip(torch.split(video, CLIPS_AT_ONCE), torch.split(plain, CLIPS_AT_ONCE), strict=True)
    ]
    return Track(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Track)})


def _track(video: Float[Tensor, "clip frame 3 height width"], plain: Bool[Tensor, " clip"], *, redraw: bool) -> Track:
    rgb = ((video.float() + 1) / 2).clamp(0, 1)
    sprites, grounds = find_sprites(rgb), measure_backgrounds(rgb, plain)
    nothing = dict.fromkeys((f.name for f in fields(Likeness)), torch.full_like(sprites.iou, torch.nan))
    likeness = vars(measure_likeness(rgb, sprites, grounds.pattern, plain)) if redraw else nothing
    return Track(**vars(sprites), **vars(grounds), **likeness)


def window(seen: Track, start: int, stop: int) -> Track:
    """Frames start..stop-1 of a track; palette, contrast and copy keep the whole video's first chunk as reference."""
    last = {"shift": stop - 1}
    return Track(**{f.name: getattr(seen, f.name)[:, start : last.get(f.name, stop)] for f in fields(Track)})


def colour_accuracy(seen: Track, prompts: Sequence[str]) -> Float[Tensor, "clip frame"]:
    """1 where one sprite of the captioned colour is seen, else 0."""
    asked = torch.tensor([COLOURS.index(parse(prompt).colour) for prompt in prompts])
    return (seen.one & (seen.colour == asked[:, None])).float()


def shape_accuracy(seen: Track, prompts: Sequence[str]) -> Float[Tensor, "clip frame"]:
    """1 where one sprite of the captioned shape is seen, else 0."""
    asked = torch.tensor([SHAPES.index(parse(prompt).shape) for prompt in prompts])
    return (seen.one & (seen.shape == asked[:, None])).float()


def sprite_speed(seen: Track) -> Float[Tensor, " clip"]:
    """Median speed of the sprite over spans of 2 frames, pixels per frame; NaN if it was never seen for 3 frames."""
    return (_displacement(seen, 2) / 2).nanmedian(1).values


def speed_accuracy(seen: Track, prompts: Sequence[str]) -> Float[Tensor, " clip"]:
    """1 where the sprite's speed is nearest (as a ratio) to the captioned word's, 0 elsewhere; NaN for `any`."""
    words = list(SPEED_OF_WORD)
    ratios = sprite_speed(seen).clamp(min=1e-3)[:, None].log() - torch.tensor(list(SPEED_OF_WORD.values())).log()
    nearest = torch.where(ratios.isnan().any(1), -1, ratios.abs().argmin(1))
    asked = [parse(prompt).speed for prompt in prompts]
    right = nearest == torch.tensor([words.index(word) if word in words else -1 for word in asked])
    return torch.where(torch.tensor([word in words for word in asked]), right.float(), torch.nan)


def pan_speed(seen: Track) -> Float[Tensor, " clip"]:
    """Mean camera speed, pixels per frame, signed."""
    return seen.shift.mean(1)


def pan_accuracy(seen: Track, prompts: Sequence[str]) -> Float[Tensor, " clip"]:
    """1 where the camera's speed is nearest to the word's and not backwards; NaN for `pan-any` and `plain`."""
    words = ("pan-still", "pan-slow", "pan-fast")
    speed = pan_speed(seen)
    nearest = (speed[:, None] - torch.tensor([PAN_OF_WORD[word] for word in words])).abs().argmin(1)
    nearest = torch.where(speed < -TOO_WRONG, -1, nearest)
    asked = [parse(prompt).pan for prompt in prompts]
    right = nearest == torch.tensor([words.index(word) if word in words else -1 for word in asked])
    return torch.where(torch.tensor([word in words for word in asked]), right.float(), torch.nan)


def step_motion(seen: Track) -> Float[Tensor, "clip pair"]:
    """Pixels the sprite moved between neighbouring frames; NaN where it was lost or jumped."""
    return _displacement(seen, 1)


def net_displacement(seen: Track, frames: int = 12) -> Float[Tensor, "clip window"]:
    """Pixels between centroids `frames` apart, so that wobble cancels; NaN where the sprite was lost at either end.

    Raises:
        ValueError: the video is not longer than `frames`.
    """
    if seen.one.shape[1] <= frames:
        raise ValueError(f"tracker.net_displacement: frames is {frames}; the video has only {seen.one.shape[1]}")
    distance = (seen.centre[:, frames:] - seen.centre[:, :-frames]).norm(dim=-1)
    return torch.where(seen.one[:, frames:] & seen.one[:, :-frames], distance, torch.nan)


def scroll_displacement(seen: Track, frames: int = 12) -> Float[Tensor, "clip window"]:
    """Pixels panned in every span of `frames` frames, signed.

    Raises:
        ValueError: the video is not longer than `frames`.
    """
    if seen.shift.shape[1] < frames:
        raise ValueError(f"tracker.scroll_displacement: frames is {frames}; the video has only {seen.one.shape[1]}")
    return seen.shift.unfold(1, frames, 1).sum(-1)


def scroll_ratio(seen: Track, prompts: Sequence[str], frames: int = 12) -> Float[Tensor, " clip"]:
    """Panned over captioned distance, mean over spans of `frames` frames; NaN unless the word is a moving one."""
    asked = torch.tensor([PAN_OF_WORD.get(parse(prompt).pan, 0.0) for prompt in prompts])
    ratio = scroll_displacement(seen, frames).mean(1) / (frames * asked)
    return torch.where(asked > 0, ratio, torch.nan)


def pan_direction(seen: Track, prompts: Sequence[str], frames: int = 12) -> Float[Tensor, "clip window"]:
    """1 where the camera pans as captioned over a span of frames, -1 backwards; NaN unless the word is a moving one.

    In between if it moves by less than TOO_WRONG a frame, 0 if it stands still. How fast is left to `scroll_ratio`.

    Raises:
        ValueError: the video is not longer than `frames`.
    """
    moving = torch.tensor([PAN_OF_WORD.get(parse(prompt).pan, 0.0) > 0 for prompt in prompts])
    direction = (scroll_displacement(seen, frames) / (frames * TOO_WRONG)).clamp(-1, 1)
    return torch.where(moving[:, None], direction, torch.nan)


def resets(seen: Track) -> Float[Tensor, " clip"]:
    """How often the sprite leaps back to its first place, within RETURN pixels, in a step of over 3 times the usual.

    Steps below RETURN are none, however still the sprite stands otherwise. NaN if it was never seen twice in a row.
    """
    both = seen.one[:, 1:] & seen.one[:, :-1]
    step = torch.where(both, seen.centre.diff(dim=1).norm(dim=-1), torch.nan)
    leap = step > (3 * step.nanmedian(1, keepdim=True).values).clamp(min=RETURN)
    count = (leap & (seen.from_start[:, 1:] < RETURN)).sum(1).float()
    return torch.where(both.any(1), count, torch.nan)


def jitter(seen: Track) -> Float[Tensor, " clip"]:
    """Mean size of the centroid's second difference, in pixels; bounces count, so the truth is not quite 0."""
    bend = seen.centre.diff(dim=1).diff(dim=1).norm(dim=-1)
    whole = seen.one[:, 2:] & seen.one[:, 1:-1] & seen.one[:, :-2]
    return torch.where(whole, bend, torch.nan).nanmean(1)


def jumps(seen: Track) -> Float[Tensor, " clip"]:
    """Share of neighbouring frames, both with one sprite, between which it moved more than JUMP pixels."""
    both = seen.one[:, 1:] & seen.one[:, :-1]
    far = seen.centre.diff(dim=1).norm(dim=-1) > JUMP
    share: Tensor = (both & far).sum(1) / both.sum(1).clamp(min=1)
    return share


def _displacement(seen: Track, span: int) -> Float[Tensor, "clip pair"]:
    """Pixels moved in `span` frames; NaN unless one sprite was seen all along and never jumped."""
    count = seen.one.shape[1] - span
    step = seen.centre.diff(dim=1).norm(dim=-1)
    steady = seen.one[:, 1:] & seen.one[:, :-1] & (step <= JUMP)
    distance = (seen.centre[:, span:] - seen.centre[:, :-span]).norm(dim=-1)
    return torch.where(torch.stack([steady[:, i : i + count] for i in range(span)]).all(0), distance, torch.nan)
