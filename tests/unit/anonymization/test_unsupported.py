"""Photographs that the renderer cannot make: refused, covered, or kept (``--unsupported``)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from vera.anonymization.faceless import face_parts
from vera.anonymization.interface import embedded
from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.recheck import Rechecker
from vera.anonymization.request import Options
from vera.anonymization.verification import handling_faults
from vera.bundle import BundleInfo
from vera.faces.detection import DetectedFace, DlibDetector, Finds
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.faces.photograph import photograph_from_pixels
from vera.faces.region_choice import parse_region
from vera.faces.turns import quick_detectors
from vera.types import Anonymized, Semantic, Unsupported, VeraError

from .conftest import Detector, Parser, Recogniser, face_points

CORNER = (slice(10), slice(10))


class Sharp(Detector):
    """Finds the face in photographs whose corner is not of one colour, not in a copy with a border."""

    def detect(self, photograph):
        return super().detect(photograph) if (photograph.pixels[CORNER] != photograph.pixels[0, 0]).any() else []


class OnlyPadded(Detector):
    """Finds something in a copy with a border only."""

    name, turn_margin = "padded", 0.1

    def search(self, photograph):
        points = face_points((300.0, 300.0))
        there = photograph.size[0] > 240 and np.ptp(photograph.pixels[120:-120, 120:-120]) > 1
        return Finds([DetectedFace((*points.min(axis=0), *points.max(axis=0)), points, 0.9)] if there else [], [])


class Inverting:
    """A renderer that inverts the face, and cannot make photographs whose names begin with "turned"."""

    name, source_type, info = "inverting", "https://example.org/term", BundleInfo(Path("inverting"), "d" * 64, "none", {})

    def check(self, options):
        pass

    def open(self, request):
        for scene in request.scenes:
            if scene.photograph.name.startswith("turned"):
                raise Unsupported(f"the head in photograph '{scene.photograph.name}' is turned", scene.photograph)
        return InvertingCase(request)


class InvertingCase:
    warnings = ()

    def __init__(self, request):
        self.scenes = request.scenes

    def identity(self, attempt):
        return Face()

    def render(self, identity):
        outputs = []
        for scene in self.scenes:
            pixels = scene.photograph.pixels.copy()
            pixels[scene.replaced] = 255 - pixels[scene.replaced]
            outputs.append(Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced))
        return outputs

    def facts(self):
        return {"candidates": 1}


class Face:
    seed = 3

    def facts(self):
        return {}

    def require_bundle(self, digest):
        pass


class Contrast(Recogniser):
    """The mean colour; faces of one person are alike to about a tenth."""

    threshold = refusal_threshold = 0.02

    def embed(self, pixels, landmarks):
        return super().embed(pixels, landmarks)[:1].round(1)


def make(renderer=None, others=(), **options):
    parts = {"detector": Sharp(face_points()), "parser": Parser(), "recognisers": [Contrast()], "others": others}
    return VeraAnonymizer(renderer or Inverting(), **parts, options=Options(seed=3 if renderer is None else None, **options))


def recheck(result, sources):
    again = Rechecker(detector=Sharp(face_points()), recognisers=[Contrast()])
    return again(sources, result.photographs, json.loads(json.dumps(result.audit)))


@pytest.fixture
def front(photograph):
    return replace(photograph, pixels=photograph.pixels // 2 + 20, name="front")


@pytest.fixture
def side(front):
    return replace(front, name="turned", digest="1" * 64)


@pytest.fixture
def close_up(photograph):
    """Another photograph, without a face."""
    pixels = np.full_like(photograph.pixels, 120)  # the border, whichever corner is looked at
    pixels[10:-10, 10:-10] = 255 - photograph.pixels[10:-10, 10:-10]
    return replace(photograph, pixels=pixels, name="close-up", digest="2" * 64)


@pytest.fixture
def drawn():
    mask = np.zeros((240, 200), dtype=bool)
    mask[100:140, 60:140] = True
    return mask


def test_refuse_is_the_default(front, side, close_up):
    with pytest.raises(Unsupported, match="no face found in photograph 'close-up'") as told:
        make()([front, close_up], person="p")
    assert told.value.photograph is close_up
    for how in ("refuse", "keep"):
        with pytest.raises(Unsupported, match="'turned' is turned"):
            make(unsupported=how)([front, side], person="p")
    with pytest.raises(VeraError, match="choose refuse, cover or keep"):
        Options(unsupported="blur")


def test_cover_makes_what_the_renderer_cannot_make_black(front, side, close_up, drawn):
    sources = [close_up, front, side]
    result = make(unsupported="cover", preserve=(Semantic.MOUTH,))(sources, person="p", masks=[drawn, None, None])
    cover, new, turned = result.photographs
    assert [one.name for one in result.photographs] == ["close-up", "front", "turned"]
    assert not cover.image[~drawn].any()
    np.testing.assert_array_equal(cover.image[drawn], close_up.pixels[drawn])
    assert not turned.image[turned.replaced].any()
    assert turned.preserved.any()
    np.testing.assert_array_equal(turned.image[~turned.replaced], side.pixels[~turned.replaced])
    assert new.image[new.replaced].any()
    alone = make(preserve=(Semantic.MOUTH,))([front], person="p").photographs[0]
    np.testing.assert_array_equal(new.image, alone.image)
    facts = result.audit["photographs"]
    assert [one["handling"] for one in facts] == ["cover", "renderer", "cover"]
    assert (facts[0]["eye_distance"], facts[0]["digital_source_type"]) == (None, ALTERED_BY_ALGORITHM)
    assert "no face found" in facts[0]["unsupported"]
    assert "is turned" in facts[2]["unsupported"]
    assert sum("is covered, since the renderer cannot make it" in warning for warning in result.audit["warnings"]) == 2
    (judge,) = result.audit["verification"]["recognisers"]
    assert [len(row) for row in judge["output_to_source"]] == [0, 2, 2]
    assert judge["between_outputs"] == []
    assert recheck(result, sources) == []


def test_a_changed_handling_or_pixel_is_found_again(front, close_up, drawn):
    result = make(unsupported="cover")([front, close_up], person="p", masks=[None, drawn])
    sources = [front, close_up]
    result.photographs[1].image[0, 0] = 1
    assert any("1 covered pixels are not black" in told for told in recheck(result, sources))
    result.photographs[1].image[0, 0] = 0
    result.audit["photographs"][1]["handling"] = "keep"
    assert any("is kept as it is, though" in told for told in recheck(result, sources))
    result.audit["photographs"][1]["handling"] = "renderer"
    assert any("cannot be asked again: no face found" in told for told in recheck(result, sources))
    part = replace(result.photographs[1], replaced=np.zeros_like(drawn))
    assert "neither preserved nor covered" in handling_faults(part, "cover", face_found=False)[0]


def test_keep_is_for_photographs_without_any_part_of_a_face(front, close_up, drawn):
    result = make(unsupported="keep")([front, close_up], person="p")
    kept = result.photographs[1]
    np.testing.assert_array_equal(kept.image, close_up.pixels)
    assert kept.preserved.all()
    facts = result.audit["photographs"][1]
    assert (facts["handling"], facts["digital_source_type"], facts["preserved_pixels"]) == ("keep", None, 240 * 200)
    assert any("is kept as it is: make sure" in warning for warning in result.audit["warnings"])
    assert recheck(result, [front, close_up]) == []
    with pytest.raises(Unsupported, match="'close-up' can't be kept: padded finds something like a face at"):
        make(unsupported="keep", others=[OnlyPadded()])([front, close_up], person="p", masks=[None, drawn])


def test_without_a_drawn_region_nothing_is_left_to_cover(front, close_up):
    with pytest.raises(Unsupported, match="nothing but a drawn region can be kept"):
        make(unsupported="cover", preserve=(Semantic.MOUTH,))([front, close_up], person="p")
    box = make(unsupported="cover", regions=(parse_region("box:10,20,30,40"),))([close_up], person="p").photographs[0]
    assert box.preserved.sum() == 30 * 40
    assert box.preserved[20:60, 10:40].all()
    with pytest.raises(VeraError, match="has a margin, which has no measure"):
        make(unsupported="cover", regions=(parse_region("box:10,20,30,40+3mm"),))([close_up], person="p")


def test_a_person_of_covers_only_has_no_new_face(side, close_up, drawn):
    result = make(unsupported="cover")([side, close_up], person="p", masks=[None, drawn])
    audit = result.audit
    assert (audit["renderer"], audit["bundle"], audit["seed"], result.identity) == ("cover", None, None, None)
    assert audit["verification"]["passed"]
    assert recheck(result, [side, close_up]) == []
    with pytest.raises(VeraError, match="can make none of these photographs"):
        make(unsupported="cover")([side], person="p", identity=Face())


def test_a_method_covers_what_has_no_face(front, close_up, drawn):
    result = make(ObscuringRenderer("cover"), unsupported="cover")([front, close_up], person="p", masks=[None, drawn])
    assert [one["handling"] for one in result.audit["photographs"]] == ["renderer", "cover"]


def test_a_face_in_the_dark_is_found():
    """Nearly black pixels hold a face that anybody can make bright again."""
    dark = (skimage.data.astronaut()[30:220:2, 130:320:2] * 0.04).astype(np.uint8)
    detector = DlibDetector()
    assert face_parts(photograph_from_pixels(dark, "dark"), detector, quick_detectors(detector))


@pytest.mark.slow
def test_real_detectors_let_a_mouth_be_kept_and_find_half_a_face():
    portrait = skimage.data.astronaut()[0:320, 80:380]
    detector = DlibDetector()
    others = quick_detectors(detector)
    mouth = photograph_from_pixels(portrait[131:163, 112:173], "mouth")
    assert not face_parts(mouth, detector, others)
    assert face_parts(photograph_from_pixels(portrait[:, 145:], "half"), detector, others)
    made = embedded(None, "cpu", Options(preserve=(Semantic.MOUTH,), seed=1, unsupported="keep"))
    portrait = photograph_from_pixels(portrait, "face")
    assert [one["handling"] for one in made([portrait, mouth], person="p").audit["photographs"]] == ["renderer", "keep"]
