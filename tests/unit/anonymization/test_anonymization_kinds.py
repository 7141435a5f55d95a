"""The kind of identity that a person gets where nobody says."""

import numpy as np
import pytest
import torch

from vera.anonymization import kinds
from vera.anonymization.kinds import Kinds, apart
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
