"""Short clips: frames read from a video file, and written without loss, by PyAV (extra ``video``).

A frame is what PyAV decodes, turned upright and converted to 8-bit RGB; "bit for bit" refers to these pixels. Frames are written as FFV1
in RGB, which keeps every bit, and as H.264 to be looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vera import files
from vera.faces.formats import START, named
from vera.types import Mask, Photograph, Pixels, VeraError

MOST_FRAMES = 150
"""DECISION: no clip is longer (5 s at 30 frames a second): all frames are held in memory, some 20 MB each beside their pixels."""
MOST_PIXELS = MOST_FRAMES * 1920 * 1088
"""DECISION: no clip has more pixels, all frames together."""
QUALITY = {"crf": "18", "preset": "medium"}
"""DECISION: of the viewing copy: differences can hardly be seen."""
WITHOUT_TRACES: dict[str, str] = {"fflags": "+bitexact"}
"""The container says neither when nor by which version of FFmpeg it was written, so that the same frames give the same bytes."""
BT709 = 1
"""FFmpeg's number of the colour matrix, primaries and curve of ITU-R BT.709; of its ranges, 1 is the one of video."""
MOST_LOSS = 8.0
"""DECISION: mean difference in grey levels beyond which a frame of the viewing copy is not the picture that was to be written."""


@dataclass(frozen=True)
class Clip:
    """A decoded clip.

    Attributes:
        frames: frames in the order of time, upright, 8 bits, RGB; all have the digest of the file.
        times: time of each frame in units of ``time_base``, the first one 0.
        time_base: seconds.
        warnings: sentences about things that somebody should look at, or know.

    """

    frames: tuple[Photograph, ...]
    times: tuple[int, ...]
    time_base: Fraction
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        return {"frames": len(self.frames), "times": list(self.times), "time_base": str(self.time_base)}


def is_clip(path: Path) -> bool:
    """Whether a file begins as videos do; False for what cannot be read, which reading it will say.

    Args:
        path: any path; nothing is decoded.

    """
    try:
        if not path.is_file():  # opening a pipe would wait
            return False
        with path.open("rb") as file:
            return named(file.read(START)) == "video"
    except (OSError, ValueError):
        return False


def read_clip(path: Path, name: str) -> Clip:
    """Decode all frames of a clip.

    Args:
        path: MP4, MOV, Matroska, WebM or AVI; H.264, HEVC and whatever else FFmpeg decodes, with 8 bits a channel.
        name: name of the clip in messages and in the names of its frames.

    Raises:
        VeraError: PyAV is not installed, the file is damaged or no such video, or it is longer or larger than is supported.

    """
    require_av()
    import av

    digest = files.digest(path)
    if digest is None:
        raise VeraError(f"{files.printable(str(path))} can't be read: check the path and its permissions")
    shown = files.printable(path.name)
    try:
        with av.open(path, metadata_errors="ignore") as container:
            stream = _picture_stream(container, shown)
            sound = bool(container.streams.audio)
            pictures, times = list[Pixels](), list[int]()
            for frame in container.decode(stream):
                _check_frame(frame, len(pictures), shown)
                pictures.append(_upright(frame))
                times.append(len(times) if frame.pts is None else frame.pts)
            time_base = stream.time_base or 1 / _rate(stream)
    except (av.FFmpegError, OSError) as error:
        advice = "copy it again, or export it as H.264 in an MP4 file"
        raise VeraError(f"'{shown}' cannot be read as a video ({error.strerror}): {advice}") from error
    in_order = all(after > before for before, after in pairwise(times))
    if not pictures or len({picture.shape for picture in pictures}) > 1 or not in_order:
        raise VeraError(f"'{shown}' has no frames, or frames of several sizes or without order: export it as H.264 in an MP4 file")
    frames = tuple(Photograph(pixels, f"{name} frame {number:04d}", digest) for number, pixels in enumerate(pictures, 1))
    warnings = (f"{name}: the sound of the clip is left out, since a voice can be recognised",) if sound else ()
    return Clip(frames, tuple(time - times[0] for time in times), Fraction(time_base), warnings)


def write_lossless(path: Path, frames: Iterable[Pixels | Mask], times: Sequence[int], time_base: Fraction, *, comment: str = "") -> None:
    """Write frames as FFV1 in Matroska, without loss, and without any metadata but a comment.

    Args:
        path: file to write; it must not be there.
        frames: ``(H, W, 3)`` uint8 RGB each, or ``(H, W)`` bool (white = True).
        times: time of each frame, in units of ``time_base``.
        time_base: unit of time in seconds.
        comment: sentence on how the pictures came about; empty for none.

    Raises:
        OSError: it can't be written.

    """
    _write(path, frames, times, time_base, codec="ffv1", options={}, comment=comment)


def write_viewing_copy(path: Path, frames: Iterable[Pixels], times: Sequence[int], time_base: Fraction, *, comment: str = "") -> None:
    """Write frames as H.264 in MP4, which any player shows; odd sizes get a further row or column.

    Args:
        path: file to write; it must not be there.
        frames: ``(H, W, 3)`` uint8 RGB each.
        times: time of each frame, in units of ``time_base``.
        time_base: unit of time in seconds.
        comment: sentence on how the pictures came about; empty for none.

    Raises:
        OSError: it can't be written.

    """
    even = (np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge") for frame in frames)
    _write(path, even, times, time_base, codec="libx264", options=QUALITY, comment=comment)


def require_av() -> None:
    """Raise a VeraError unless PyAV is installed."""
    if find_spec("av") is None:
        raise VeraError("clips are read and written by PyAV, which is not installed: run `pip install 'vera-anonymization[video]'`")


def same_pictures(copy: Clip, frames: Sequence[Pixels]) -> bool:
    """Whether a viewing copy shows these frames, but for the loss of its compression.

    Args:
        copy: the viewing copy, decoded.
        frames: ``(H, W, 3)`` uint8 RGB each.

    """
    if len(copy.frames) != len(frames):
        return False
    pairs = ((seen.pixels[: frame.shape[0], : frame.shape[1]], frame) for seen, frame in zip(copy.frames, frames, strict=True))
    return all(a.shape == b.shape and np.abs(a.astype(np.int16) - b).mean() < MOST_LOSS for a, b in pairs)


def _picture_stream(container: Any, shown: str) -> Any:
    """The one stream of pictures, checked as far as its header tells."""
    if len(container.streams.video) != 1:
        raise VeraError(f"'{shown}' has {len(container.streams.video)} streams of pictures, not one: export it as H.264 in an MP4 file")
    (stream,) = container.streams.video
    if stream.codec_context is None or stream.codec_context.format is None:
        raise VeraError(f"'{shown}' is encoded in a way that FFmpeg does not know: export it as H.264 in an MP4 file")
    depth = max((part.bits for part in stream.codec_context.format.components), default=8)
    if depth > 8:
        raise VeraError(f"'{shown}' has {depth} bits a channel (high dynamic range): export it with 8 bits, as H.264 in an MP4 file")
    _check_length(stream.frames, stream.width * stream.height, shown)
    stream.thread_type = "SLICE"  # as many threads as the call has; frames come in the same order in any case
    return stream


def _check_frame(frame: Any, before: int, shown: str) -> None:
    if frame.is_corrupt:  # FFmpeg invents what is missing
        raise VeraError(f"frame {before + 1} of '{shown}' is damaged: copy the clip again from the camera or the archive")
    if frame.interlaced_frame:
        raise VeraError(f"'{shown}' is interlaced: export it with whole frames (progressive), as H.264 in an MP4 file")
    _check_length(before + 1, frame.width * frame.height, shown)


def _check_length(count: int, pixels: int, shown: str) -> None:
    if count > MOST_FRAMES or count * pixels > MOST_PIXELS:
        raise VeraError(
            f"'{shown}' is too long: at most {MOST_FRAMES} frames, and {MOST_PIXELS // 10**6} megapixels in all, are supported; "
            "cut it, or make it smaller"
        )


def _upright(frame: Any) -> Pixels:
    """The frame's pixels, turned by quarter turns as the file says."""
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _rate(stream: Any) -> Fraction:
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


def _write(
    path: Path,
    frames: Iterable[Pixels | Mask],
    times: Sequence[int],
    time_base: Fraction,
    *,
    codec: str,
    options: dict[str, str],
    comment: str,
) -> None:
    import av

    lossless = codec == "ffv1"
    steps = [after - before for before, after in pairwise(times)]
    rate = 1 / (time_base * sorted(steps)[len(steps) // 2]) if steps else Fraction(25)
    with _as_os_error(), av.open(path, "w", container_options=WITHOUT_TRACES) as container:
        if comment:
            container.metadata["comment"] = comment
        stream: Any = None
        for pixels, time in zip(frames, times, strict=True):
            grey = pixels.ndim == 2
            if stream is None:
                stream = container.add_stream(codec, rate=rate.limit_denominator(1001), options=options)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = ("gray" if grey else "bgr0") if lossless else "yuv420p"
                if not lossless:  # players show the colours that were written
                    for name in ("colorspace", "color_primaries", "color_trc", "color_range"):
                        setattr(stream.codec_context, name, BT709)
                stream.codec_context.time_base = time_base
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
                stream.codec_context.thread_count = 1  # the same bytes on every machine
            given = pixels.astype(np.uint8) * np.uint8(255) if grey else pixels
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(given), format="gray" if grey else "rgb24")
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=None if lossless else BT709)
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    files.sync_file(path)  # as with pictures: the bytes are on the disk before the file gets its name


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """FFmpeg's faults of writing as those of the system."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise error if isinstance(error, OSError) else OSError(error.errno, error.strerror) from error
