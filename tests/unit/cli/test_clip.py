"""``vera anonymize clip.mp4`` and ``vera verify`` of it; the face is a flat box, and the recogniser measures colours."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from tests.unit.anonymization.conftest import face_points
from tests.unit.cli.folders import audit_of, facts
from tests.unit.cli.test_verify import SIZE, rechecker

from vera.faces.clip_file import read_clip, write_lossless, write_viewing_copy
from vera.types import Anonymized, AnonymizedPerson

pytest.importorskip("av", reason="PyAV is not installed (extra video)")
COUNT = 4


class Painter:
    """Inverts a box in every frame, keeps a smaller one in it, and measures what the recogniser measures."""

    def __init__(self):
        self.settings = {"false_accept_rate": 0.001}

    def anonymize(self, person, identity, progress):
        (entry,) = person.entries
        clip = read_clip(entry.path, entry.name)
        preserved, replaced = np.zeros(SIZE, dtype=bool), np.zeros(SIZE, dtype=bool)
        preserved[150:170, 80:120], replaced[60:195, 30:170] = True, True
        replaced &= ~preserved
        images = []
        for frame in clip.frames:
            pixels = frame.pixels.copy()
            pixels[replaced] = 255 - pixels[replaced]
            images.append(Anonymized(frame.name, pixels, preserved, replaced))
        record = facts(replace(person, entries=person.entries * COUNT), images) | {"clip": {"name": entry.name} | clip.facts()}
        return AnonymizedPerson(person.id, images, record | {"verification": rechecker(0.001).measure(clip.frames, images, record)}), None


def made(path, count=COUNT):
    frames = [
        np.full((*SIZE, 3), 60 + number, np.uint8) + np.arange(SIZE[1], dtype=np.uint8)[None, :, None] // 4 for number in range(count)
    ]
    write_viewing_copy(path, frames, range(count), Fraction(1, 25))
    return path


@pytest.fixture
def folder(vera, tmp_path, monkeypatch):
    monkeypatch.setattr("vera.cli.assembly.assemble", lambda *arguments, **parts: Painter())
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: rechecker)
    assert face_points().max() < min(SIZE)
    code, _, told = vera("anonymize", made(tmp_path / "clip.mp4"), "--out", tmp_path / "out")
    assert code == 0, told
    return tmp_path / "out"


def test_three_files_and_an_audit_are_written_and_verified(vera, folder):
    assert sorted(path.name for path in folder.iterdir()) == ["audit.json", "clip.mkv", "clip.mp4", "clip.preserved.mkv"]
    (record,) = audit_of(folder)["people"]
    assert set(record["files"][0]["written"]) == {"clip.mkv", "clip.mp4", "clip.preserved.mkv"}
    assert record["clip"]["frames"] == len(record["photographs"]) == COUNT
    source, result, mask = (
        read_clip(path, "c") for path in (folder.parent / "clip.mp4", folder / "clip.mkv", folder / "clip.preserved.mkv")
    )
    for before, after, kept in zip(source.frames, result.frames, mask.frames, strict=True):
        region = kept.pixels[..., 0] > 127
        assert region.sum() == 20 * 40
        np.testing.assert_array_equal(after.pixels[region], before.pixels[region])
    code, told, _ = vera("verify", folder)
    assert (code, told.partition(";")[0]) == (
        0,
        "PASS: 1 pictures as they were written, 1 of them compared with their sources, 1 people judged again by the recognisers",
    )


def test_a_changed_clip_is_found(vera, folder):
    clip = read_clip(folder / "clip.mkv", "clip")
    frames = [frame.pixels for frame in clip.frames]
    frames[2][155, 90] += 1  # in the preserved region
    (folder / "clip.mkv").unlink()
    write_lossless(folder / "clip.mkv", frames, clip.times, clip.time_base)
    code, told, _ = vera("verify", folder)
    assert code == 3
    assert "clip.mkv is not as it was written" in told
    assert "clip frame 0003: 1 preserved pixels are not the source's" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("photo.jpg",), "is a clip: make a call for it alone"),
        (("--preserve", "photo.jpg"), "a drawn mask does not move with the face"),
        (("--format", "png"), "--format is of photographs"),
        (("--report",), "--report is for photographs"),
        (("--upright", "auto"), "--upright auto is for photographs"),
        (("--preserve", "box:1,1,2,2"), "--preserve box:1,1,2,2 is for photographs"),
        (("--renderer", "generator"), "a generator works on single photographs"),
    ],
)
def test_what_does_not_fit_a_clip_is_refused(refused, photo, tmp_path, arguments, said):
    given = [photo(name) if name == "photo.jpg" else name for name in arguments]
    assert said in refused(made(tmp_path / "clip.mp4"), *given, "--out", tmp_path / "out")
