"""Which mosaics may become rows, and what is measured on them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.reference.drawn_bank import candidates, drawn_face

from vera import bundle
from vera.exemplars.bank import ExemplarBank
from vera.exemplars.building import beard_of, eyes_of, face_only, read_picture
from vera.exemplars.screening import Donors, far_enough, look_at_donors, with_embeddings
from vera.mosaic.colour import to_lab
from vera.mosaic.people import SourcePerson
from vera.mosaic.points import EYES, extend
from vera.types import Semantic, VeraError


class Recogniser:
    """Mean colours of a coarse grid."""

    name = "grid"

    def embed(self, pixels, landmarks):
        return np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX), np.float64).ravel()

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


@pytest.fixture(scope="module")
def candidate(tmp_path_factory):
    return candidates(tmp_path_factory.mktemp("mosaics"), 1)[0]


def seen_as(candidate, role):
    image, labels, points = read_picture(candidate.folder, candidate.records[role])
    return Recogniser().embed(face_only(image, labels, points), points)


@pytest.mark.parametrize("role", [0, 1])
def test_a_copy_of_a_donor_is_refused(candidate, role):
    stranger, copied = seen_as(candidate, 0) + 100, seen_as(candidate, role)
    donors = Donors(["a", "b"], {"grid": np.array([stranger, copied])})
    assert far_enough(candidate, donors, {"grid": 1.0}, [Recogniser()]) is None


def test_who_is_far_from_every_donor_passes_with_the_distance(candidate):
    donors = Donors(["a"], {"grid": seen_as(candidate, 1)[None] + 100})
    found = far_enough(candidate, donors, {"grid": 1.0}, [Recogniser()])
    assert found == {"grid": pytest.approx(min(np.linalg.norm(seen_as(candidate, r) - donors.embeddings["grid"][0]) for r in (0, 1)))}


def test_every_recogniser_has_to_agree(candidate):
    other = SimpleNamespace(name="other", embed=lambda *_: np.zeros(1), distance=lambda a, b: float(abs(a - b)[0]))
    donors = Donors(["a"], {"grid": seen_as(candidate, 0)[None] + 100, "other": np.array([[0.5]])})
    both = [Recogniser(), other]
    assert far_enough(candidate, donors, {"grid": 1.0, "other": 0.6}, both) is None
    assert far_enough(candidate, donors, {"grid": 1.0, "other": 0.4}, both)["other"] == 0.5


def test_all_photographs_of_the_donors_are_looked_at(tmp_path):
    paths = {}
    for role, level in (("neutral", 50), ("smiling", 90)):
        paths[role] = tmp_path / f"a_{role}.png"
        Image.fromarray(np.full((64, 64, 3), level, np.uint8)).save(paths[role])
    people = [SourcePerson("a", paths)]
    seen = look_at_donors(people, SimpleNamespace(detect=lambda _: [SimpleNamespace(landmarks=None)]), [Recogniser()])
    assert seen.owners == ["a", "a"]
    np.testing.assert_allclose(seen.embeddings["grid"][:, 0], [50, 90])
    with pytest.raises(VeraError, match=r"no face is found in '.*a_neutral.png'"):
        look_at_donors(people, SimpleNamespace(detect=lambda _: []), [Recogniser()])


@pytest.mark.parametrize(("chin", "moustache", "beard"), [(40, 55, 20), (58, 52, 8), (70, 65, 0), (np.nan, 50, 10), (np.nan, np.nan, 0)])
def test_a_beard_is_how_much_darker_chin_or_lip_is(chin, moustache, beard):
    assert beard_of(SimpleNamespace(skin=np.array([60.0]), chin=np.array([chin]), moustache=np.array([moustache]))) == beard


def test_blue_eyes_are_lighter_than_brown_ones():
    image, _, marks = drawn_face(1, size=256)
    points, found = extend(marks), []
    y, x = (np.mgrid[:256, :256] + 0.5) / 256
    for colour in ((90, 60, 35), (120, 150, 190)):
        painted = image.copy()
        for eye in EYES:
            corners = points[list(eye)]
            middle, width = corners[[1, 2, 4, 5]].mean(axis=0), np.linalg.norm(corners[3] - corners[0])
            painted[np.hypot(x - middle[0], y - middle[1]) < 0.18 * width] = colour
        found.append(eyes_of(to_lab(painted), points))
    brown, blue = found
    assert blue > brown + 30


def test_eyes_that_are_not_seen_say_nothing_about_their_colour():
    image, _, marks = drawn_face(1)
    points = extend(marks)
    points[36:48] += 2.0  # outside the picture
    assert eyes_of(to_lab(image), points) == 0.0


def test_skin_of_a_purple_hue_is_not_natural(candidate):
    hue = {"tone": np.array([60.0, 20.0, 10.0])}
    assert candidate.natural
    assert not type(candidate)(**{**vars(candidate), **hue}).natural
    assert candidate.name == "000"


def test_the_surround_of_a_row_has_the_colour_of_skin_and_none_of_the_hair(candidate):
    image, labels, points = read_picture(candidate.folder, candidate.records[0])
    made = face_only(image, labels, points)
    eyes = np.isin(labels, (Semantic.EYES, Semantic.NOSE))
    assert np.abs(made[eyes].astype(int) - image[eyes]).mean() < 4
    hair = labels == Semantic.HAIR
    assert made[hair].mean() > image[hair].mean() + 60


def test_a_bank_holds_what_a_recogniser_sees_in_its_rows_and_in_the_donors(bank, tmp_path):
    donors = Donors(["d00", "d00", "x"], {"grid": np.array([np.full(192, value) for value in (10.0, 20.0, 40.0)])})
    made = with_embeddings(bank, donors, [Recogniser()])
    bundle.save(tmp_path / "b", made, provenance={}, licence="CC0-1.0", card="A drawn bank.", dtype=torch.float32)
    again = bundle.load(tmp_path / "b", kind=ExemplarBank)
    assert again.recognisers == {"grid": 192}
    seen = Recogniser().embed(again.image(3, 1).round().astype(np.uint8), None)
    np.testing.assert_allclose(again.row_embeddings("grid")[3, 1], seen, rtol=1e-5)
    assert again.donor_embeddings("grid")[:, 0].tolist() == [10, 20, 40]
    assert again.donor_embeddings("grid", ["d00"])[:, 0].tolist() == [40]
    # of each photograph to the nearest one of another donor: 30, 20 and 20 in each of the 192 numbers
    assert again.strangers["grid"] == pytest.approx(20 * 192**0.5, abs=1e-3)
    assert bank.recognisers == {}
    distances = {"grid": Recogniser().distance, "unknown": Recogniser().distance}
    face = [Recogniser().embed(again.image(3, role).round().astype(np.uint8), None) for role in (0, 1)]
    nearest = min(np.linalg.norm(one - 40.0) for one in face) / again.strangers["grid"]
    assert again.beyond_donors(3, distances, ["d00"]) == pytest.approx(nearest, rel=1e-5)
    assert again.beyond_donors(3, {}) == 0
