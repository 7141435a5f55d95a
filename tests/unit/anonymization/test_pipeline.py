import json
from dataclasses import replace

import numpy as np
import pytest

from vera.anonymization.generator_renderer import GeneratorRenderer
from vera.anonymization.identity import Identity
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.features.perceptual import PerceptualDistance
from vera.types import Refused, Semantic, VeraError

from .conftest import Detector, Parser, Recogniser, face_points

FAST = {"refine_steps": 1, "harmonize_steps": 2, "seed": 7}


class Tolerant(Recogniser):
    """Tells the sources from any output, and takes all outputs for one person."""

    threshold = 0.5

    def __init__(self, *sources):
        self.known = [Recogniser.embed(self, source.pixels, face_points()) for source in sources]

    def embed(self, pixels, landmarks):
        mean = super().embed(pixels, landmarks)
        return np.array([min(np.abs(mean - known).max() for known in self.known) < 0.005], dtype=float)


@pytest.fixture(scope="module")
def perceptual():
    return PerceptualDistance(pretrained=False).eval().requires_grad_(False)


@pytest.fixture
def make(network, perceptual):
    def build(*, detector=None, recogniser=None, **options):
        detector = detector or Detector(face_points())
        return VeraAnonymizer(
            GeneratorRenderer(network, detector=detector, perceptual=perceptual),
            detector=detector,
            parser=Parser(),
            recognisers=[recogniser or Recogniser()],
            options=Options(**(FAST | options)),
        )

    return build


def test_one_photograph_with_its_mouth_preserved(make, photograph):
    result = make(preserve=(Semantic.MOUTH,))([photograph], person="p")
    (one,) = result.photographs
    assert one.image.shape == photograph.pixels.shape
    np.testing.assert_array_equal(one.image[~one.replaced], photograph.pixels[~one.replaced])
    assert one.preserved.any()
    audit = json.loads(json.dumps(result.audit))
    assert audit["seed"] == 7
    assert audit["photographs"][0]["digest"] == photograph.digest
    assert audit["photographs"][0]["kept_classes"] == ["mouth"]
    assert audit["verification"]["passed"]
    assert audit["verification"]["took_part_in_selection"] == (audit["attempt"] > 1)
    assert {"find", "regions", "invert", "harmonize", "generate", "verify"} <= set(audit["seconds"])


def test_same_inputs_same_bytes_other_person_other_face(make, photograph):
    first, again = (make()([photograph], person="p").photographs[0].image for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (make()([photograph], person="q").photographs[0].image != first).any()


def test_without_a_seed_the_drawn_one_is_recorded_and_repeats(make, photograph):
    result = make(seed=None)([photograph], person="p")
    assert result.audit["seed_source"] == "operating system"
    again = make(seed=result.audit["seed"])([photograph], person="p")
    np.testing.assert_array_equal(result.photographs[0].image, again.photographs[0].image)


def test_a_pair_shares_one_identity_and_a_later_visit_has_it_again(make, photograph, tmp_path):
    brighter = (photograph.pixels.astype(int) + 12).clip(0, 255).astype(np.uint8)
    after = replace(photograph, pixels=brighter, name="after")
    result = make(recogniser=Tolerant(photograph, after))([photograph, after], person="p")
    assert [one.name for one in result.photographs] == ["drawn", "after"]
    (record,) = result.audit["verification"]["recognisers"]
    assert np.shape(record["output_to_source"]) == (2, 2)
    assert len(record["between_outputs"]) == 1
    result.identity.save(tmp_path / "id")
    later = make(recogniser=Tolerant(photograph))([photograph], person="whatever", identity=Identity.load(tmp_path / "id"))
    np.testing.assert_allclose(later.identity.local, result.identity.local)
    alone, together = later.photographs[0].image.astype(int), result.photographs[0].image.astype(int)
    assert np.abs(alone - together)[result.photographs[0].replaced].mean() < 6  # the grain is another


def test_a_given_identity_is_applied_as_it_is(make, photograph):
    first = make()([photograph], person="p")
    later = make(seed=99)([photograph], person="another name", identity=first.identity)
    assert later.identity == first.identity
    assert later.audit["identity"] == "given"
    assert "harmonize" not in later.audit["seconds"]
    with pytest.raises(VeraError, match="belongs to the bundle"):
        make()([photograph], person="p", identity=replace(first.identity, bundle="x" * 64))


def test_refused_after_the_limit_without_images(make, photograph):
    class Stern(Recogniser):
        threshold = refusal_threshold = 10.0

    with pytest.raises(Refused, match="refused after 3 attempts") as refusal:
        make(recogniser=Stern(), attempts=3)([photograph], person="p")
    assert len(refusal.value.audit["warnings"]) == 3
    assert refusal.value.audit["verification"]["took_part_in_selection"]
    assert not any(isinstance(value, np.ndarray) for value in refusal.value.audit.values())


def test_faces_must_be_clear(make, photograph):
    two = Detector(face_points(), face_points((40.0, 40.0), 0.3))
    with pytest.raises(VeraError, match="no face found in photograph 'drawn'"):
        make(detector=Detector())([photograph], person="p")
    for options in ({}, {"face": 1}, {"leave_others": True}):
        with pytest.raises(VeraError, match="2 faces found"):
            make(detector=two, **options)([photograph], person="p")
    with pytest.raises(VeraError, match="shows 2 faces, not 3"):
        make(detector=two, face=3, leave_others=True)([photograph], person="p")
    with pytest.raises(VeraError, match="shows 1 face, not 2"):  # it may be the bystander's
        make(face=2, leave_others=True)([photograph], person="p")
    (one,) = make(detector=two, face=1, leave_others=True)([photograph], person="p").photographs
    assert not one.replaced[:35].any()


def test_a_weak_find_is_a_warning(make, photograph):
    result = make(detector=Detector(face_points(), weak=[face_points((40.0, 40.0), 0.3)]))([photograph], person="p")
    assert "looks a little like a face" in result.audit["warnings"][0]
    assert "(score 0.10)" in result.audit["warnings"][0]


def test_different_people_are_a_warning_or_refused_where_faces_were_chosen(make, photograph):
    class Sees(Recogniser):
        """Two sources are two people; every output is a third one."""

        threshold = 0.5

        def embed(self, pixels, landmarks):
            mean = super().embed(pixels, landmarks)
            known = [Recogniser.embed(self, one.pixels, face_points()) for one in (photograph, other)]
            return np.array([np.abs(mean - one).max() < 0.005 for one in known], dtype=float)

    other = replace(photograph, pixels=255 - photograph.pixels, name="other")
    result = make(recogniser=Sees())([photograph, other], person="p")
    assert "'drawn' and 'other' for one person" in result.audit["warnings"][0]
    two = Detector(face_points(), face_points((40.0, 40.0), 0.3))
    with pytest.raises(VeraError, match="different people"):
        make(recogniser=Sees(), detector=two, face=1, leave_others=True)([photograph, other], person="p")


def test_the_audit_names_the_libraries_that_decide_about_bytes(make, photograph):
    versions = make()([photograph], person="p").audit["versions"]
    assert {"torch", "opencv", "numpy", "pillow", "dlib"} == set(versions)
    assert all(versions.values())


def test_bad_requests(make, photograph, network, perceptual):
    with pytest.raises(VeraError, match="0 photographs"):
        make()([], person="p")
    with pytest.raises(VeraError, match="2 masks"):
        make()([photograph], person="p", masks=[None, None])
    renderer = GeneratorRenderer(network, detector=Detector(), perceptual=perceptual)
    with pytest.raises(VeraError, match="recogniser"):
        VeraAnonymizer(renderer, detector=Detector(), parser=Parser(), recognisers=[], options=Options())
    for wrong in ({"face": 0}, {"attempts": 0}, {"harmonize_steps": -1}, {"truncation": 5.0}, {"seed": -1}):
        with pytest.raises(VeraError):
            Options(**wrong)
