"""Streaming an exported student into files: lossless clips, GIFs, filmstrips and a manifest."""

import hashlib
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.delivery import Levels
from reward_forcing.machine import forget_peak, peak_memory
from reward_forcing.starts import encode_start, source_at
from reward_forcing.streaming import Equipment, MemoryWish, Streamer, load_streamer
from reward_forcing.switching import switch_named
from reward_forcing.video_folder import Look, VideoBatch, VideoFolder, settings_digest
from reward_forcing.videos import to_uint8


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to generate.

    Args:
        prompts: what to show.
        seeds: every prompt is generated once with each.
        frames: length of the videos in video frames; None: until interrupted.
        seconds: length in seconds, instead of `frames`.
        batch: videos at a time.
        switches: new prompts for all videos, by latent frame (int) or by second (float) of the video.
        start: a picture or clip to continue.
        on_switch: what becomes of the memory at a switch.
        look: how the videos are played and shown.
        cell: what the videos are compared as, before the way to remember if there are several; by default the way.

    Raises:
        ValueError: there is no prompt, seed, start or policy of that name, or a number is not positive.
    """

    prompts: Sequence[str]
    seeds: Sequence[int] = (0,)
    frames: int | None = 120
    seconds: float | None = None
    batch: int = 8
    switches: Mapping[int | float, str] = field(default_factory=dict)
    start: Path | None = None
    on_switch: str = "cross_only"
    look: Look = field(default_factory=lambda: Look(fps=0))
    cell: str = ""

    def __post_init__(self) -> None:
        for name in ("prompts", "seeds"):
            if not getattr(self, name):
                raise ValueError(f"generate: {name} is empty; give at least one")
        if not all(prompt.strip() for prompt in self.prompts):
            raise ValueError("generate: a prompt is empty; write what to show")
        for name in ("frames", "seconds", "batch"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"generate: {name} is {value}; it must be above 0")
        if self.cell and not self.cell.strip():
            raise ValueError("generate: cell is blank; write a name, or leave it out")
        if self.start is not None and not self.start.is_file():
            raise ValueError(f"generate: start is {self.start}, which is not a file; give a picture or a clip")
        self._check_switches()

    def _check_switches(self) -> None:
        switch_named(self.on_switch)
        for place in self.switches:
            if place <= 0:
                raise ValueError(f"generate: a switch is at {place}; it must be above 0")

    def batches(self, done: Container[tuple[str, int]] = ()) -> Iterator[list[tuple[str, int]]]:
        """The videos, each a prompt and a seed, in batches; without end there is one batch.

        A batch with a video that is not done is made again as a whole: in other company its last bits would differ.
        """
        videos = [(prompt, seed) for prompt in self.prompts for seed in self.seeds]
        size = self.batch if self.frames else len(videos)
        for start in range(0, len(videos), size):
            some = videos[start : start + size]
            if not all(video in done for video in some):
                yield some


@dataclass(frozen=True)
class Teaching:
    """How a teacher samples instead of streaming.

    Args:
        steps: Euler steps.
        guidance_scale: in the standard convention.
        shift: how far the steps lean towards noise.
    """

    steps: int = 20
    guidance_scale: float = 1.5
    shift: float = 3.0


COLUMNS: Final = ("{task.description}", BarColumn(), TextColumn("{task.fields[pace]}"), TimeRemainingColumn())
"""Of the progress bar."""


@dataclass
class Pace:
    """How fast frames come.

    Args:
        first: seconds until the first were there.
        frames: of all videos so far.
        seconds: so far.
        skipped: videos that were there already.
        peak: the most bytes so far: of tensors on a GPU, of the whole process elsewhere.
    """

    first: float = 0.0
    frames: int = 0
    seconds: float = 0.0
    skipped: int = 0
    peak: int = 0

    def timed(self, chunks: Iterable[Levels], device: torch.device) -> Iterator[Levels]:
        """The same chunks, timed, and the memory of the device they are made on; what is done with them is not."""
        iterator, since = iter(chunks), time.perf_counter()
        for chunk in iterator:
            self.seconds += time.perf_counter() - since
            self.peak = max(self.peak, peak_memory(device))
            self.first = self.first or self.seconds
            self.frames += chunk.shape[0] * chunk.shape[1]
            yield chunk
            since = time.perf_counter()

    def __add__(self, later: "Pace") -> "Pace":
        """Of both together."""
        sums = (self.frames + later.frames, self.seconds + later.seconds, self.skipped + later.skipped)
        return Pace(self.first or later.first, *sums, max(self.peak, later.peak))

    @property
    def measured(self) -> dict[str, float]:
        """What is noted about each video."""
        return {
            "seconds_to_first": round(self.first, 4),
            "frames_per_second": round(self.fps, 2),
            "peak_memory_gb": round(self.peak / 1e9, 3),
        }

    @property
    def fps(self) -> float:
        """Video frames a second, all videos together."""
        return self.frames / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.fps:.1f} frames/s, peak {self.peak / 1e9:.2f} GB"


def generate(
    export: str | Path,
    out: str | Path,
    request: Request | Sequence[Request],
    *,
    wishes: Sequence[MemoryWish] = (MemoryWish(),),
    teaching: Teaching | None = None,
    equipment: Equipment | None = None,
) -> dict[str, Pace]:
    """Generate videos into a folder, the same noise under every wish; those that are there already are skipped.

    Args:
        export: a student (or, with `teaching`, a teacher) that training exported, or released weights.
        out: gets `videos/` and `manifest.jsonl`; other cells, prompts and seeds in its manifest are kept.
        request: what to generate; or several requests, one after the other.
        wishes: ways to remember, one cell each.
        teaching: sample a teacher's clips instead.
        equipment: codec, precision, device and further settings.

    Returns:
        How fast each cell was.

    Raises:
        ValueError: something does not fit; the message says what and what is allowed.
    """
    wanted = [request] if isinstance(request, Request) else list(request)
    for start in {one.start for one in wanted if one.start}:
        source_at(start)
    streamers = [load_streamer(export, wish=wish, equipment=equipment) for wish in wishes]
    ways = ["teacher" if teaching else way(*pair) for pair in zip(streamers, wishes, strict=True)]
    name = wanted[0].cell
    cells = [name] if name and len(ways) == 1 else [f"{name} {way}".strip() for way in ways]
    if len(set(cells)) < len(cells):
        raise ValueError(f"generate: the same way to remember is asked for twice: {', '.join(cells)}")
    for streamer in streamers:
        streamer.prepare([words for one in wanted for words in (*one.prompts, *one.switches.values())])
    return {
        cell: sum((_generate_cell(streamer, cell, Path(out), one, teaching) for one in wanted), Pace())
        for cell, streamer in zip(cells, streamers, strict=True)
    }


def way(streamer: Streamer, wish: MemoryWish) -> str:
    """The name of a way to remember."""
    extra = [f"decay={wish.decay}"] * (wish.decay is not None) + [f"window={wish.window}"] * (wish.window is not None)
    return " ".join([streamer.name, *extra])


def _generate_cell(streamer: Streamer, cell: str, out: Path, request: Request, teaching: Teaching | None) -> Pace:
    look = replace(request.look, fps=request.look.fps or streamer.fps)
    if request.seconds is not None:
        request = replace(request, frames=max(1, round(request.seconds * look.fps)))
    if teaching:
        request = replace(request, frames=min(request.frames or streamer.geometry.frames, streamer.geometry.frames))
    pace, folder = Pace(), VideoFolder(out, cell)
    forget_peak(streamer.device)
    at = {_frame_at(place, look.fps, streamer.codec): prompt for place, prompt in request.switches.items()}
    request = replace(request, switches=dict(sorted(at.items())))
    switches = {str(frame): prompt for frame, prompt in request.switches.items()}
    made = vars(teaching) if teaching else {**streamer.memory, "switches": switches, "on_switch": request.on_switch}
    rough = {} if teaching else streamer.rollout.engine.approximations
    metadata = {**streamer.about, **made, **({"approximations": dict(rough)} if rough else {})}
    metadata["settings"] = settings_digest({**metadata, "start": _content(request.start), "frames": request.frames})
    done = folder.finished(metadata["settings"]) if request.frames else set()
    videos = sum(map(len, request.batches(done)))
    pace.skipped = len(request.prompts) * len(request.seeds) - videos
    with Progress(*COLUMNS) as progress:
        task = progress.add_task(cell, total=request.frames and request.frames * videos, pace=pace)
        for some in request.batches(done):
            chunks = pace.timed(_chunks(streamer, some, request, teaching), streamer.device)
            with VideoBatch(out, cell, some, look) as batch:
                _write(batch, chunks, request.frames, lambda: progress.update(task, completed=pace.frames, pace=pace))
            folder.add(
                batch.lines({**metadata, **pace.measured}), {**streamer.told, "request": _asked(request, teaching)}
            )
    return pace


def _asked(request: Request, teaching: Teaching | None) -> dict[str, Any]:
    """What the command was told about the videos of a request, apart from each one's prompt and seed; plain values."""
    told = {key: value for key, value in vars(request).items() if key not in ("prompts", "seeds", "look")}
    told |= {"start": request.start and str(request.start), "start_content": _content(request.start)}
    return {**told, "look": vars(request.look), "teaching": teaching and vars(teaching)}


def _content(path: Path | None) -> str:
    """A digest of a file; nothing for none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def _frame_at(place: int | float, fps: float, codec: LatentCodec) -> int:
    """The latent frame that a place in a video lies in: a frame already, or seconds."""
    if isinstance(place, int):
        return place
    frame = 0
    while codec.video_frames(frame + 1) <= place * fps:
        frame += 1
    return max(1, frame)


def _chunks(
    streamer: Streamer, videos: Sequence[tuple[str, int]], request: Request, teaching: Teaching | None
) -> Iterator[Levels]:
    prompts, seeds = [prompt for prompt, _ in videos], [seed for _, seed in videos]
    if teaching:
        yield to_uint8(streamer.sample(prompts, seeds, **vars(teaching))).cpu()
        return
    settings: dict[str, Any] = {"batch": len(videos), "device": streamer.device}
    start = encode_start(request.start, streamer.codec, streamer.geometry, **settings) if request.start else None
    switches = {int(frame): prompt for frame, prompt in request.switches.items()}
    chunks = streamer.chunks_of(request.frames, start) if request.frames else None
    yield from streamer.deliver(
        prompts, seeds, chunks=chunks, switches=switches, start=start, on_switch=request.on_switch
    )


def _write(videos: VideoBatch, chunks: Iterable[Levels], frames: int | None, tick: Callable[[], None]) -> None:
    """Write videos until they are long enough; without end, until Ctrl-C."""
    try:
        for chunk in chunks:
            left = None if frames is None else frames - videos.frames
            videos.write(chunk[:, :left])
            tick()
            if frames is not None and videos.frames >= frames:
                return
    except KeyboardInterrupt:
        if frames is not None or not videos.frames:
            raise
