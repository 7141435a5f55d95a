"""The kind of identity that a person gets where nobody says."""

import json

import numpy as np
import pytest
import torch

from vera import bundle
from vera.anonymization import kinds
from vera.anonymization.kinds import GROUPS, Kinds, apart, store_groups
from vera.faces.detection import DlibDetector
from vera.faces.recognition import DlibRecogniser
from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, Semantic, VeraError

from .conftest import TINY, Detector, Recogniser, face_points

SKIN = list(LatentCodes.rows([Semantic.SKIN]))


class Seeing(Recogniser):
    """Embeds the kinds' portraits, in the order in which they are shown, as it is told to."""

    def __init__(self, *vectors):
        self.vectors, self.seen = list(vectors), 0

    def embed(self, pixels, landmarks):
        self.seen += 1
        return np.array(self.vectors[min((self.seen - 1) // kinds.PORTRAITS, len(self.vectors) - 1)], dtype=float)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Autoencoder(generator=TINY, encoder={"width": 8, "hidden": 8, "layout": 2, "pretrained": False}, bank=0)
    rows = torch.randn(24, 28, 8)
    rows[:12, SKIN] += 3
    made.fill_bank(rows, rows.mean(dim=0), kinds={"a": 12, "b": 12})
    return made.eval().requires_grad_(False)


def skin(value, photographs=2):
    codes = torch.zeros(photographs, 28, 8)
    codes[:, SKIN] = value
    return LatentCodes(codes, torch.zeros(photographs, 0))


@pytest.mark.parametrize(
    ("embedding", "value", "expected"),
    [([1, 0], 3.0, "a"), ([0, 1], 0.0, "b"), ([0, 1], 3.0, "b"), ([1, 0], 0.0, "a"), ([0.5, 0.5], 3.0, "a"), ([0.5, 0.5], 0.0, "b")],
)
def test_the_recogniser_decides_and_where_it_cannot_the_skin(network, embedding, value, expected):
    reader = Kinds(network, detector=Detector(face_points()), recogniser=Seeing([1, 0], [0, 1]))
    assert reader.nearest(skin(value), [np.array(embedding), np.array(embedding)]) == expected


def test_the_portraits_are_made_once(network):
    recogniser = Seeing([1, 0], [0, 1])
    reader = Kinds(network, detector=Detector(face_points()), recogniser=recogniser)
    for _ in range(2):
        reader.nearest(skin(0.0), [np.array([1.0, 0.0])])
    assert recogniser.seen == 2 * kinds.PORTRAITS


def test_a_bank_of_one_kind_shows_nothing(network):
    network.fill_bank(network.bank, network.mean)
    recogniser = Seeing([1, 0])
    assert Kinds(network, detector=Detector(face_points()), recogniser=recogniser).nearest(skin(0.0), [np.array([1.0, 0.0])]) is None
    assert recogniser.seen == 0


def test_a_kind_whose_portraits_show_no_face_is_not_guessed_at(network):
    reader = Kinds(network, detector=Detector(), recogniser=Seeing([1, 0]))
    with pytest.raises(VeraError, match="kind 'a': say which"):
        reader.nearest(skin(0.0), [np.array([1.0, 0.0])])


def test_distances_are_in_units_of_those_between_the_kinds():
    usual = {"a": np.array([0.0, 0.0]), "b": np.array([2.0, 0.0])}
    assert apart(np.array([2.0, 2.0]), usual) == {"a": 2.0, "b": 1.0}
    assert apart(np.array([1.0]), {"a": np.array([1.0])}) == {"a": 0.0}


class Stated(Seeing):
    """Says which weights it has, as dlib's recogniser does."""

    digest = "1" * 64


@pytest.fixture
def stored(network, tmp_path):
    """A bundle with its groups' embeddings, and how to ask it for the group of a person whom the recogniser sees as the first."""
    path = tmp_path / "bundle"
    bundle.save(path, network, provenance={}, licence="none", card="#")
    store_groups(path, detector=Detector(face_points()), recogniser=Stated([1, 0], [0, 1]))

    def ask(recogniser, embedding=(1.0, 0.0)):
        reader = Kinds(bundle.load(path), detector=Detector(face_points()), recogniser=recogniser)
        return reader.views(skin(0.0), [np.array(embedding)])[0], recogniser.seen

    return path / GROUPS, ask


def test_stored_embeddings_are_what_the_recogniser_would_see_and_it_sees_nothing(stored):
    _, ask = stored
    assert ask(Stated([1, 0], [0, 1])) == ({"a": 0.0, "b": 1.0}, 0)


def test_embeddings_of_other_weights_or_another_recogniser_are_not_used(stored):
    _, ask = stored
    other = Stated([0, 1], [1, 0])
    other.digest = "2" * 64
    assert ask(other) == ({"a": 1.0, "b": 0.0}, 2 * kinds.PORTRAITS)
    assert ask(Seeing([0, 1], [1, 0])) == ({"a": 1.0, "b": 0.0}, 2 * kinds.PORTRAITS), "it does not say which weights it has"


def rewritten(file, **changes):
    """The record with these changes, and a digest that fits them."""
    record = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(record | {"digest": kinds._digest(record)}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bundle": "0" * 64}, "belongs to another bundle: remove this file"),
        ({"embeddings": {"a": [1.0, 0.0]}}, "2 numbers for each identity group"),
        ({"embeddings": {"a": [1.0, 0.0], "b": [1.0, 0.0, 0.0]}}, "2 numbers for each identity group"),
        ({"embeddings": {"a": [1.0, 0.0], "b": "x"}}, "2 numbers for each identity group"),
        ({"embeddings": [1.0]}, "'embeddings' is a list"),
    ],
)
def test_damaged_embeddings_are_refused_in_one_sentence(stored, changes, said):
    file, ask = stored
    rewritten(file, **changes)
    with pytest.raises(VeraError, match=said):
        ask(Stated([1, 0]))


def test_altered_embeddings_and_what_is_no_record_are_refused(stored):
    file, ask = stored
    file.write_text(file.read_text().replace("1.0", "0.5"))
    with pytest.raises(VeraError, match="is altered"):
        ask(Stated([1, 0]))
    file.write_text("{")
    with pytest.raises(VeraError, match=r"groups\.json is damaged"):
        ask(Stated([1, 0]))


def test_a_file_is_not_overwritten_and_a_bundle_without_groups_gets_none(stored, network, tmp_path):
    file, _ = stored
    parts = {"detector": Detector(face_points()), "recogniser": Stated([1, 0])}
    with pytest.raises(VeraError, match=r"cannot write '.*groups\.json': File exists"):
        store_groups(file.parent, **parts)
    network.fill_bank(network.bank, network.mean)
    bundle.save(tmp_path / "one", network, provenance={}, licence="none", card="#")
    with pytest.raises(VeraError, match="are of one kind: there is nothing to tell apart"):
        store_groups(tmp_path / "one", **parts)


@pytest.fixture(scope="module")
def shipped():
    """The shipped bundle's groups, to be seen by dlib."""
    return Kinds(bundle.load(bundle.default_bundle()), detector=DlibDetector(), recogniser=DlibRecogniser())


def test_the_shipped_bundle_holds_embeddings_of_the_shipped_recogniser(shipped):
    assert shipped._stored(128).keys() == {"female", "male"}


@pytest.mark.slow
def test_they_are_what_dlib_sees_in_its_groups(shipped):
    held, seen = shipped._stored(128), shipped.embedded()
    between = shipped.recogniser.distance(held["female"], held["male"])
    for kind, vector in seen.items():
        assert shipped.recogniser.distance(held[kind], vector) < 0.02 * between, kind
