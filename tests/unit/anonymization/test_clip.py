"""Clips: one face that keeps still, the region bit for bit, and frames that fail are named."""

import numpy as np
import pytest
import torch
from tests.reference import drawn_bank

from vera import bundle
from vera.anonymization import exemplar_renderer
from vera.anonymization.clip import key_frames, numbered, steady_faces, steady_parses, told_once
from vera.anonymization.exemplar_renderer import ExemplarRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.exemplars.fitting import Fitter
from vera.faces.detection import DetectedFace, Finds
from vera.faces.photograph import photograph_from_pixels
from vera.types import Refused, Semantic, VeraError

from .test_exemplar_renderer import Labels, Trusting

SIZE, MARGIN, COUNT = 160, 12, 7


class Lenient(Trusting):
    """Takes all faces of a clip for one person's, and finds every new face different."""

    threshold, refusal_threshold = 10.0, 1e-9


class Seeing:
    """Knows where the face is in each frame, but for half a pixel of error; sees none in the frames `blind`, and in those of `lost` only
    one: the source's."""

    name = "drawn"

    def __init__(self, points, *, blind=(), lost=()):
        rng = np.random.default_rng(1)
        self.points = {name: found + rng.normal(0, 0.5, (68, 2)) for name, found in points.items()}
        self.blind, self.lost = set(blind), lost

    def search(self, photograph):
        if photograph.name in self.blind:
            return Finds([], [])
        self.blind |= {photograph.name} & set(self.lost)
        points = self.points[photograph.name]
        return Finds([DetectedFace((*points.min(axis=0), *points.max(axis=0)), points, 1.0)], [])


class MovingLabels(Labels):
    """The labels of the drawn face, moved to where the landmarks are."""

    def __init__(self, labels, points):
        super().__init__(labels)
        self.still, self.middle = labels, points.mean(axis=0)

    def parse(self, face):
        shift = np.round(face.landmarks.mean(axis=0) - self.middle).astype(int)
        self.labels = np.roll(self.still, shift[::-1], axis=(0, 1))
        return super().parse(face)


class Clip:
    """A drawn face that moves to the right and down, with a sensor's noise."""

    def __init__(self):
        image, labels, marks = drawn_bank.drawn_face(60, size=SIZE)
        rng = np.random.default_rng(0)
        still = np.pad(image + rng.normal(0, 12, image.shape), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
        self.labels, points = np.pad(labels, MARGIN), marks * SIZE - 0.5 + MARGIN
        self.middle = points
        self.shifts = [(n // 2, n) for n in range(COUNT)]
        self.frames, self.points = [], {}
        for number, shift in enumerate(self.shifts, 1):
            moved = np.roll(still, shift, axis=(0, 1)) + rng.normal(0, 2, still.shape)
            self.frames.append(photograph_from_pixels(moved.clip(0, 255).round().astype(np.uint8), f"frame {number}"))
            self.points[f"frame {number}"] = points + shift[::-1]

    def anonymizer(self, renderer, **seeing):
        return VeraAnonymizer(
            renderer,
            detector=Seeing(self.points, **seeing),
            parser=MovingLabels(self.labels, self.middle),
            recognisers=[Lenient()],
            options=Options(seed=5, preserve=(Semantic.MOUTH,)),
        )

    def flicker(self, images, replaced):
        """Mean absolute difference of consecutive frames, moved back, where both are replaced."""
        back = [np.roll(image.astype(np.float64), (-y, -x), axis=(0, 1)) for image, (y, x) in zip(images, self.shifts, strict=False)]
        inside = [np.roll(mask, (-y, -x), axis=(0, 1)) for mask, (y, x) in zip(replaced, self.shifts, strict=False)]
        pairs = zip(back, back[1:], inside, inside[1:], strict=False)
        return float(np.mean([np.abs(a - b)[here & there].mean() for a, b, here, there in pairs]))


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exemplars")
    bundle.save(folder / "bundle", drawn_bank.drawn_bank(folder / "drawn"), provenance={}, licence="none", card="x", dtype=torch.float32)
    return ExemplarRenderer(bundle.load(folder / "bundle"))


@pytest.fixture(scope="module")
def clip():
    return Clip()


@pytest.fixture(scope="module")
def made(clip, renderer):
    return clip.anonymizer(renderer)(clip.frames, person="p", clip=True)


def test_the_region_is_kept_in_every_frame_and_the_rest_replaced(clip, made):
    assert len(made.photographs) == COUNT
    for source, output in zip(clip.frames, made.photographs, strict=True):
        assert output.preserved.any()
        changed = (output.image != source.pixels).any(axis=2)
        assert not changed[output.preserved].any()
        assert not changed[~(output.replaced | output.hair_edge)].any()
        assert changed[output.replaced].mean() > 0.9


def test_the_new_face_keeps_as_still_as_the_old_one(clip, renderer, made):
    replaced = [output.replaced for output in made.photographs]
    before = clip.flicker([frame.pixels for frame in clip.frames], replaced)
    after = clip.flicker([output.image for output in made.photographs], replaced)
    few = slice(0, 4)
    each = clip.anonymizer(renderer)(clip.frames[few], person="p", identity=made.identity)
    trembling = clip.flicker([output.image for output in each.photographs], [output.replaced for output in each.photographs])
    assert after < 1.5 * before
    assert after < 0.7 * trembling


@pytest.mark.parametrize("together", [True, False])
def test_a_kept_eye_has_one_colour_in_a_whole_clip(clip, renderer, made, monkeypatch, together):
    """Frames in which it is shut have none; single photographs have each their own."""
    seen = [np.full(3, 20, np.float32), None, np.full(3, 30, np.float32)]
    found, given = iter(seen), []
    monkeypatch.setattr(exemplar_renderer, "kept_iris", lambda *picture: next(found))
    fit = Fitter.fit

    def noted(self, *arguments, iris=None, quick=False, **options):
        if not quick:
            given.append(iris)
        return fit(self, *arguments, iris=iris, quick=quick, **options)

    monkeypatch.setattr(Fitter, "fit", noted)
    clip.anonymizer(renderer)(clip.frames[:3], person="p", identity=made.identity, clip=together)
    if together:
        np.testing.assert_array_equal(given, np.full((3, 3), 25))
    else:
        assert all(one is other for one, other in zip(given, seen, strict=True))


def test_frames_without_a_face_are_named(clip, renderer):
    with pytest.raises(VeraError, match=r"3 of 7 frames can't be used \(2 to 3, 6\): no face found in photograph 'frame 2'"):
        clip.anonymizer(renderer, blind=("frame 2", "frame 3", "frame 6"))(clip.frames, person="p", clip=True)


def test_frames_that_do_not_pass_are_named(clip, renderer, made):
    anonymizer = clip.anonymizer(renderer, lost=("frame 3", "frame 4", "frame 6"))
    with pytest.raises(Refused, match=r"refused after 1 attempt because of the frames 3 to 4, 6, nothing is written; last reason: frame 3"):
        anonymizer(clip.frames, person="p", clip=True, identity=made.identity)


def test_landmarks_follow_any_motion_of_the_head_and_lose_their_noise():
    rng = np.random.default_rng(0)
    shape = rng.normal(0, 50, (68, 2))
    turns = [s * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for s, a in rng.uniform((0.5, -0.5), (2, 0.5), (30, 2))]
    moved = [shape @ turn.T + rng.normal(0, 100, 2) for turn in turns]
    exact = [face.landmarks for face in steady_faces([DetectedFace((0, 0, 1, 1), points, 1.0) for points in moved])]
    np.testing.assert_allclose(exact, moved, atol=1e-9)
    noise = [shape + rng.normal(0, 1, (68, 2)) for _ in range(30)]
    left = [face.landmarks for face in steady_faces([DetectedFace((0, 0, 1, 1), points, 1.0) for points in noise])]
    assert np.diff(left, axis=0).std() < 0.4 * np.diff(noise, axis=0).std()


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_few_frames_are_smoothed_as_far_as_they_go(count):
    shape = np.random.default_rng(0).normal(0, 9, (68, 2))
    faces = [DetectedFace((0, 0, 1, 1), shape + number, 1.0) for number in range(count)]
    np.testing.assert_allclose([face.landmarks for face in steady_faces(faces)], [face.landmarks for face in faces], atol=1e-9)
    parses = [torch.full((2, 3, 3), 0.5)] * count
    torch.testing.assert_close(steady_parses(parses), parses)


def test_numbers_of_frames():
    assert [numbered([4]), numbered([1, 2, 3, 7, 9, 10])] == ["4", "1 to 3, 7, 9 to 10"]
    assert [key_frames(1), key_frames(2), key_frames(90)] == [[0], [0, 1], [0, 44, 89]]


def test_what_several_frames_warn_of_is_told_once():
    names = ["c frame 1", "c frame 2", "c frame 3"]
    assert told_once(["c frame 1: dark", "c: sound", "c frame 3: dark", "c frame 2: dim"], names) == [
        "frames 1, 3: dark",
        "c: sound",
        "frames 2: dim",
    ]
