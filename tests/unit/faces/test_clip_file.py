"""Clips are read frame by frame as they are, and written without loss."""

import re
from fractions import Fraction

import numpy as np
import pytest

from vera.faces import clip_file
from vera.faces.clip_file import is_clip, read_clip, same_pictures, write_lossless, write_viewing_copy
from vera.faces.photograph import read_photograph, write_png
from vera.types import VeraError

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")
TIMES, BASE = (0, 512, 1536, 2048), Fraction(1, 12800)


@pytest.fixture
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (4, 37, 51, 3), dtype=np.uint8))


def write(path, codec, pix_fmt, pixels, *, sound=False, degrees=0):
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *pixels[0].shape[:2], pix_fmt
        stream.set_display_rotation(degrees)
        if sound:
            track = container.add_stream("pcm_s16le", rate=8000)
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
            tone.sample_rate = 8000
        for number, picture in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            container.mux(track.encode(tone))
            container.mux(track.encode(None))
    return path


def test_frames_and_times_come_back_as_they_are(tmp_path, frames):
    write_lossless(tmp_path / "a.mkv", frames, TIMES, BASE, comment="made")
    clip = read_clip(tmp_path / "a.mkv", "a")
    np.testing.assert_array_equal([frame.pixels for frame in clip.frames], frames)
    assert [time * clip.time_base for time in clip.times] == [time * BASE for time in TIMES]  # Matroska counts in milliseconds
    assert [frame.name for frame in clip.frames] == ["a frame 0001", "a frame 0002", "a frame 0003", "a frame 0004"]
    assert is_clip(tmp_path / "a.mkv")
    masks = [frame[..., 0] > 99 for frame in frames]
    write_lossless(tmp_path / "m.mkv", masks, TIMES, BASE)
    np.testing.assert_array_equal([frame.pixels[..., 0] > 127 for frame in read_clip(tmp_path / "m.mkv", "m").frames], masks)


def test_the_same_frames_give_the_same_bytes_without_a_date_or_a_version(tmp_path, frames):
    for write_clip, suffix in ((write_lossless, "mkv"), (write_viewing_copy, "mp4")):
        for name in ("one", "other"):
            write_clip(tmp_path / f"{name}.{suffix}", frames, TIMES, BASE, comment="made")
        content = (tmp_path / f"one.{suffix}").read_bytes()
        assert content == (tmp_path / f"other.{suffix}").read_bytes()
        assert not re.search(rb"Lav[fc][0-9]", content)
        assert b"made" in content


def test_the_viewing_copy_shows_the_same_colours_and_times(tmp_path):
    frames = [np.full((38, 51, 3), (200, 40 + 20 * number, 90), np.uint8) for number in range(4)]
    write_viewing_copy(tmp_path / "v.mp4", frames, TIMES, BASE)
    copy = read_clip(tmp_path / "v.mp4", "v")
    assert [time * copy.time_base for time in copy.times] == [time * BASE for time in TIMES]
    assert all(np.abs(seen.pixels[:38, :51].astype(int) - frame).max() <= 4 for seen, frame in zip(copy.frames, frames, strict=True))
    assert same_pictures(copy, frames)
    assert not same_pictures(copy, frames[::-1])
    assert not same_pictures(copy, frames[:3])


def test_sound_is_left_out_and_told(tmp_path, frames):
    clip = read_clip(write(tmp_path / "s.mkv", "ffv1", "bgr0", frames, sound=True), "s")
    assert clip.warnings == ("s: the sound of the clip is left out, since a voice can be recognised",)
    assert len(clip.frames) == 4


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_clip_of_a_telephone_is_turned_upright(tmp_path, frames, degrees, turns):
    flat = [np.full((36, 52, 3), 40, np.uint8) for _ in frames]
    for picture in flat:
        picture[:10, :10] = 220  # at the top left
    clip = read_clip(write(tmp_path / "t.mp4", "libx264", "yuv444p", flat, degrees=degrees), "t")
    expected = np.rot90(flat[0], turns)
    assert clip.frames[0].size == expected.shape[:2]
    assert np.abs(clip.frames[0].pixels.astype(int) - expected).mean() < 4


def test_high_dynamic_range_is_refused(tmp_path, frames):
    with pytest.raises(VeraError, match="has 10 bits a channel"):
        read_clip(write(tmp_path / "deep.mkv", "ffv1", "yuv420p10le", frames), "deep")


@pytest.mark.parametrize(("limit", "value"), [("MOST_FRAMES", 3), ("MOST_PIXELS", 3 * 37 * 51)])
def test_a_long_clip_is_refused(tmp_path, frames, monkeypatch, limit, value):
    monkeypatch.setattr(clip_file, limit, value)
    write_lossless(tmp_path / "long.mkv", frames, TIMES, BASE)
    with pytest.raises(VeraError, match="too long: at most"):
        read_clip(tmp_path / "long.mkv", "long")


def test_what_is_no_clip_is_told(tmp_path, frames):
    write_lossless(tmp_path / "cut.mkv", frames, TIMES, BASE)
    (tmp_path / "cut.mkv").write_bytes((tmp_path / "cut.mkv").read_bytes()[:60])
    with pytest.raises(VeraError, match=r"'cut\.mkv' (cannot be read as a video|has \d streams)"):
        read_clip(tmp_path / "cut.mkv", "cut")
    write_png(tmp_path / "picture.png", frames[0])
    assert not is_clip(tmp_path / "picture.png")
    assert not is_clip(tmp_path / "missing.mp4")
    (tmp_path / "c.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    with pytest.raises(VeraError, match=r"video is not supported: .*, or give a short clip alone"):
        read_photograph(tmp_path / "c.mp4")


DAMAGES = {
    "its codec": (lambda data: data.replace(b"avc1", b"none"), "is encoded in a way that FFmpeg does not know"),
    "its pictures": (lambda data: _overwritten(data, data.index(b"mdat") + 2000), r"frame \d of 'x.mp4' is damaged|cannot be read as"),
    "a text": (lambda data: data.replace(b"VideoHandler", b"\x99\xd1deoHandler"), None),
}


def _overwritten(data, at, count=400):
    return data[:at] + bytes(count) + data[at + count :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_clip_is_refused_or_right(tmp_path, damage):
    """FFmpeg names no codec, invents pictures, and PyAV stops at texts that are none."""
    large = list(np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8))
    path, (change, said) = write(tmp_path / "x.mp4", "libx264", "yuv420p", large), DAMAGES[damage]
    sound, data = read_clip(path, "x"), path.read_bytes()
    assert change(data) != data
    path.write_bytes(change(data))
    if said is None:
        assert all((a.pixels == b.pixels).all() for a, b in zip(read_clip(path, "x").frames, sound.frames, strict=True))
        return
    with pytest.raises(VeraError, match=said):
        read_clip(path, "x")


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_file, "find_spec", lambda name: None)
    with pytest.raises(VeraError, match=r"vera-anonymization\[video\]"):
        read_clip(tmp_path / "any.mp4", "any")
