"""Finished videos on disk: lossless clips, animated GIFs and filmstrips.

Frames here are uint8 [frame, 3, height, width] RGB; `to_uint8` and `to_float` lead from and to the models' [-1, 1].
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

Frames: TypeAlias = UInt8[Tensor, "video_frame 3 video_height video_width"]
"""A finished clip: RGB levels 0 to 255."""

LABEL_HEIGHT = 14  # pixels above each picture of a filmstrip, room for the time


def to_uint8(video: Float[Tensor, "*batch 3 height width"]) -> UInt8[Tensor, "*batch 3 height width"]:
    """Pixels in [-1, 1] as levels 0 to 255; values outside are clipped."""
    return ((video.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def to_float(video: UInt8[Tensor, "*batch 3 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Levels 0 to 255 as pixels in [-1, 1]."""
    return video.float() / 127.5 - 1


@dataclass(frozen=True)
class Clip:
    """A finished video and its playback speed in frames per second."""

    frames: Frames
    fps: float


@dataclass(frozen=True)
class Format:
    """How clips of an ending are written, in PyAV's words."""

    container: str
    codec: str
    pixels: str
    options: dict[str, str] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)


EXACT: Final = {"fflags": "+bitexact"}
"""No random numbers and no date in the file: the same frames make the same bytes."""

FORMATS: Final = {
    ".mkv": Format("matroska", "ffv1", "bgr0", EXACT),  # RGB without colour conversion: every level comes back
    ".mp4": Format("mp4", "libx264", "yuv420p", {"movflags": "+faststart", **EXACT}, {"crf": "16", "preset": "medium"}),
}


class ClipWriter:
    """Writes a clip as its frames come; a context manager, memory constant in length.

    `.mkv` is lossless (FFV1), `.mp4` small and played everywhere (H.264).

    Args:
        path: file to write, `.mkv` or `.mp4`; its folder is made.
        fps: playback speed in frames per second.

    Raises:
        ValueError: fps is not positive, or the file has another ending.
    """

    def __init__(self, path: Path, fps: float) -> None:
        if path.suffix not in FORMATS:
            raise ValueError(f"{path}: a clip ends in {path.suffix!r}; allowed: {', '.join(FORMATS)}")
        if not fps > 0:
            raise ValueError(f"{path}: fps is {fps}; it must be above 0")
        self.path, self.fps = path, fps
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> "ClipWriter":
        import av

        self.path.parent.mkdir(parents=True, exist_ok=True)
        form = FORMATS[self.path.suffix]
        self._container = av.open(str(self.path), "w", format=form.container, options=form.options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for packet in self._stream.encode() if self._stream else ():
            self._container.mux(packet)
        self._container.close()

    def write(self, frames: Frames) -> None:
        """Append frames, all of one size."""
        import av

        for frame in frames.permute(0, 2, 3, 1).contiguous().cpu().numpy():
            if self._stream is None:
                self._start(*frame.shape[:2])
            for packet in self._stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                self._container.mux(packet)

    def _start(self, height: int, width: int) -> None:
        form = FORMATS[self.path.suffix]
        rate = Fraction(self.fps).limit_denominator(1001)
        self._stream = self._container.add_stream(form.codec, rate=rate, options=form.quality)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = form.pixels


def write_clip(path: Path, clip: Clip) -> None:
    """Write a lossless clip: `read_clip` gives back every level."""
    with ClipWriter(path, clip.fps) as writer:
        writer.write(clip.frames)


def read_clip(path: Path, most: int | None = None) -> Clip:
    """Read any clip that PyAV can decode, or its first frames only.

    Args:
        path: of the clip.
        most: so many frames at most; all by default.

    Raises:
        ValueError: it cannot be decoded, or there is no frame in it.
    """
    found = probe(path)
    return Clip(next(read_pieces(path, found.frames if most is None else most)), found.fps)


@dataclass(frozen=True)
class Probe:
    """What a video file says of itself, without decoding it."""

    frames: int
    height: int
    width: int
    fps: float
    """On average."""
    steady: bool
    """Whether frames follow each other at equal times, as exactly as the file can say."""


def probe(path: Path) -> Probe:
    """Look into a video. Raises ValueError when it is no video, or when there is no frame in it."""
    with _opened(path) as (container, stream):
        times = sorted(packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None)
        steps = np.diff(times) if len(times) > 1 else np.ones(1)
        if not times:
            raise ValueError(f"{path}: the video has no frames; write it again")
        steady = float(steps.max() - steps.min()) <= max(1.0, 0.05 * float(np.median(steps)))
        return Probe(len(times), stream.height, stream.width, float(stream.average_rate or 0), steady)


def read_pieces(path: Path, size: int) -> Iterator[Frames]:
    """The frames of a video, `size` at a time, whatever its length. Raises ValueError when it cannot be decoded."""
    with _opened(path) as (container, stream):
        waiting: list[np.ndarray] = []
        for frame in container.decode(stream):
            waiting.append(_rgb(frame))
            if len(waiting) == size:
                yield _stacked(waiting)
                waiting = []
        if waiting:
            yield _stacked(waiting)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A container and its first video stream; what goes wrong in it is a ValueError."""
    import av

    try:
        with av.open(str(path)) as container:
            yield container, container.streams.video[0]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise ValueError(f"{path}: not a readable video ({error})") from error


def _stacked(arrays: Sequence[np.ndarray]) -> Frames:
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def _rgb(frame: Any) -> np.ndarray:
    """A decoded PyAV frame as an array [height, width, 3]; our own format needs no conversion, which is much faster."""
    if frame.format.name != "bgr0":
        return np.asarray(frame.to_ndarray(format="rgb24"))
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : 4 * frame.width].reshape(frame.height, frame.width, 4)[:, :, 2::-1]


def pictures(frames: Frames, scale: int = 1) -> list[Image.Image]:
    """Frames as pictures, each pixel enlarged to a square of `scale` pixels."""
    arrays = frames.permute(0, 2, 3, 1).cpu().numpy()
    return [enlarged(Image.fromarray(array), scale) for array in arrays]


def enlarged(picture: Image.Image, scale: int) -> Image.Image:
    """A picture whose pixels became squares of `scale` pixels."""
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def gif(clip: Clip, scale: int = 1) -> bytes:
    """An endlessly looping GIF. GIFs know hundredths of a second only: fps is rounded to 100 / n."""
    buffer = io.BytesIO()
    duration = 10 * max(1, round(100 / clip.fps))
    first, *rest = pictures(clip.frames, scale)
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    return buffer.getvalue()


def animation(tag: str, clip: Clip, scale: int = 1) -> Any:
    """A clip as a summary (protobuf) for TensorBoard, whose own `add_video` needs an old moviepy."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    height, width = (scale * side for side in clip.frames.shape[-2:])
    picture = Summary.Image(encoded_image_string=gif(clip, scale), height=height, width=width, colorspace=3)
    return Summary(value=[Summary.Value(tag=tag, image=picture)])


def write_gif(path: Path, clip: Clip, scale: int = 1) -> None:
    """Write a `gif`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gif(clip, scale))


def spread(frames: int, count: int) -> list[int]:
    """At most `count` frame indices spread evenly over a clip, the first and the last included."""
    return sorted({round(index) for index in np.linspace(0, frames - 1, min(count, frames)).tolist()})


def filmstrip(clip: Clip, at: Sequence[int], scale: int = 4) -> Image.Image:
    """The frames `at` these indices side by side, each under its time in seconds."""
    parts = pictures(clip.frames[list(at)], scale)
    width, height = parts[0].size
    strip = Image.new("RGB", (len(parts) * (width + 2) - 2, height + LABEL_HEIGHT), "white")
    draw = ImageDraw.Draw(strip)
    for column, (index, part) in enumerate(zip(at, parts, strict=True)):
        draw.text((column * (width + 2) + 2, 1), f"{index / clip.fps:.1f} s", fill="black")
        strip.paste(part, (column * (width + 2), LABEL_HEIGHT))
    return strip


def write_filmstrip(path: Path, clip: Clip, count: int = 10, scale: int = 4) -> None:
    """Write `count` frames spread over a clip as one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    filmstrip(clip, spread(len(clip.frames), count), scale).save(path)
