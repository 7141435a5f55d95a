"""Methods without a new face: the same regions and the same verification, and nothing drawn."""

import json

import numpy as np
import pytest
import skimage.data

from vera.anonymization import obscuring_renderer
from vera.anonymization.interface import embedded
from vera.anonymization.obscuring_renderer import METHODS, ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.faces.photograph import photograph_from_pixels
from vera.faces.region_choice import parse_region
from vera.types import Refused, Semantic, VeraError

from .conftest import Detector, Parser, Recogniser, face_points


class Grain(Recogniser):
    """Fine detail of the nose, which every method takes away."""

    threshold = refusal_threshold = 0.005

    def embed(self, pixels, landmarks):
        (left, top), (right, bottom) = (edge(landmarks[27:36], axis=0).astype(int) for edge in (np.min, np.max))
        part = pixels[top:bottom, left:right].astype(float)
        return np.array([np.abs(np.diff(part, axis=1)).mean() / 255])


def anonymizer(method, *, recogniser=None, detector=None, **options):
    parts = {"detector": detector or Detector(face_points()), "parser": Parser(), "recognisers": [recogniser or Grain()]}
    return VeraAnonymizer(ObscuringRenderer(method), **parts, options=Options(**options))


@pytest.mark.parametrize("method", METHODS)
def test_the_region_is_kept_the_rest_hidden_and_the_audit_says_how(photograph, method):
    first, again = (anonymizer(method, preserve=(Semantic.MOUTH,))([photograph], person=person) for person in ("p", "q"))
    (one,) = first.photographs
    np.testing.assert_array_equal(one.image, again.photographs[0].image)
    np.testing.assert_array_equal(one.image[~one.replaced], photograph.pixels[~one.replaced])
    assert one.preserved.any()
    assert (one.image != photograph.pixels).any(axis=2)[one.replaced].mean() > 0.95
    audit = json.loads(json.dumps(first.audit))
    assert (audit["renderer"], audit["method"]["name"], audit["digital_source_type"]) == (method, method, ALTERED_BY_ALGORITHM)
    assert (audit["seed"], audit["seed_source"], audit["identity"], audit["bundle"]) == (None, "none", "none", None)
    assert (audit["attempt"], audit["candidates"], first.identity) == (1, 1, None)
    assert audit["verification"]["passed"]


def test_no_face_need_be_found_and_outputs_need_not_match(photograph):
    class Once(Detector):
        """Finds the face where there is one: in a photograph with grain."""

        def detect(self, photograph):
            return super().detect(photograph) if np.ptp(photograph.pixels[100:130, 80:120]) > 5 else []

    other = photograph_from_pixels(255 - photograph.pixels, "other")
    result = anonymizer("cover", detector=Once(face_points()))([photograph, other], person="p")
    assert result.audit["verification"]["face_found"] == [False, False]
    assert len(result.photographs) == 2


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_what_a_recogniser_still_matches_is_refused(photograph, method):
    with pytest.raises(Refused, match=r"refused after 1 attempt, .* still recognises the person"):
        anonymizer(method, recogniser=Recogniser())([photograph], person="p")  # the mean colour stays


def test_strength_goes_with_the_distance_between_the_eyes(photograph, monkeypatch):
    weak = anonymizer("pixelate")([photograph], person="p").photographs[0]
    rows, columns = (np.flatnonzero(weak.replaced.any(axis=axis)) for axis in (1, 0))
    block = weak.image[rows[0] + 60 : rows[0] + 90, columns[0] + 60 : columns[0] + 90]  # the third in both directions; eyes are 60 apart
    assert (block == block[0, 0]).all()
    inside = weak.replaced
    spread = [anonymizer("blur")([photograph], person="p").photographs[0].image[inside].std()]
    monkeypatch.setattr(obscuring_renderer, "BLUR", 0.1)
    spread.append(anonymizer("blur", recogniser=Grain())([photograph], person="p").photographs[0].image[inside].std())
    assert spread[0] < spread[1] < photograph.pixels[inside].std()


def test_what_only_a_drawn_face_can_meet_is_refused(photograph):
    for wrong in ({"seed": 3}, {"kind": "female"}):
        with pytest.raises(VeraError, match="draws no new face"):
            anonymizer("blur", **wrong)
    with pytest.raises(VeraError, match="draws no new face"):
        anonymizer("blur")([photograph], person="p", identity=object())
    with pytest.raises(VeraError, match="unknown method 'smear'"):
        ObscuringRenderer("smear")
    for wrong in ({"renderer": "exemplars"}, {"bundle": "x"}):
        with pytest.raises(VeraError, match="leave out renderer and bundle"):
            embedded(**{"bundle": None, "device": "cpu", "options": Options(), "method": "blur"} | wrong)


class Marked(Detector):
    """Finds the face in photographs whose first pixel is red: in one turn of four."""

    name, turn_margin = "marked", 0.1

    def detect(self, photograph):
        return super().detect(photograph) if photograph.pixels[0, 0].tolist() == [255, 0, 0] else []


@pytest.mark.parametrize("turn", range(4))
def test_a_box_means_the_photograph_as_it_is_displayed_also_where_it_is_turned_upright(photograph, turn):
    upright = photograph.pixels.copy()
    upright[:4, :4] = 255, 0, 0
    wanted = np.zeros((240, 200), dtype=bool)
    wanted[150:170, 80:130] = True
    rows, columns = (np.flatnonzero(np.rot90(wanted, -turn).any(axis=axis)) for axis in (1, 0))
    asked = f"box:{columns[0]},{rows[0]},{len(columns)},{len(rows)}"
    displayed = photograph_from_pixels(np.ascontiguousarray(np.rot90(upright, -turn)), "turned")

    def made(region):
        parts = {"detector": Marked(face_points()), "parser": Parser(), "recognisers": [Grain()], "others": [Marked(face_points())]}
        options = Options(regions=(parse_region(region),), upright="auto")
        return VeraAnonymizer(ObscuringRenderer("cover"), **parts, options=options)([displayed], person="p").photographs[0]

    one = made(asked)
    np.testing.assert_array_equal(one.preserved, wanted)
    np.testing.assert_array_equal(one.image[wanted], upright[wanted])
    height, width = displayed.size
    with pytest.raises(VeraError, match="reaches outside"):
        made(f"box:{width - 10},{height - 10},11,10")


@pytest.mark.slow
def test_real_recognisers_pass_the_methods_and_refuse_a_light_blur(monkeypatch):
    portrait = photograph_from_pixels(skimage.data.astronaut()[0:320, 80:380], "portrait")
    for method in METHODS:
        made = embedded(None, "cpu", Options(preserve=(Semantic.MOUTH,)), method=method)([portrait], person="p")
        assert made.audit["verification"]["passed"]
    monkeypatch.setattr(obscuring_renderer, "BLUR", 0.05)
    with pytest.raises(Refused, match="still recognises the person"):
        embedded(None, "cpu", Options(preserve=(Semantic.MOUTH,)), method="blur")([portrait], person="p")
