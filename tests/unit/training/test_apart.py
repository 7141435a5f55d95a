"""Identities of a bank that are kept away from the faces that a generator was trained on."""

import numpy as np
import pytest
import torch
from tests.unit.anonymization.conftest import TINY, Detector, Recogniser, face_points

from vera.anonymization.portrait import on_mean_layout
from vera.data.procedural import ProceduralFaces
from vera.inversion.autoencoder import Autoencoder
from vera.training.export.apart import Apart
from vera.types import VeraError, tensor_to_image


class MeanColour(Recogniser):
    """Sees the mean colour of a picture, and as the distance of two the largest difference."""

    def embed(self, pixels, landmarks):
        return pixels.reshape(-1, 3).mean(axis=0) / 255

    def distance(self, a, b):
        return float(np.abs(a - b).max())


class InLightPictures(Detector):
    """Finds a face where a picture is lighter than this."""

    def __init__(self, least=0.0):
        super().__init__(face_points())
        self.least = least

    def detect(self, photograph):
        return super().detect(photograph) if photograph.pixels.mean() >= self.least else []


@pytest.fixture
def network():
    torch.manual_seed(0)
    encoder = {"width": 8, "hidden": 8, "layout": 2, "pretrained": False}
    made = Autoencoder(generator={**TINY, "mapping_layers": 2}, encoder=encoder, bank=0, truncation=0.7)
    made.draw_bank(count=12, truncation=0.7, seed=0)
    return made.eval().requires_grad_(False)


@pytest.fixture
def faces():
    return ProceduralFaces(size=32, count=5, seed=0)


def pictures(network):
    """The bank's identities as anonymization's truncation shows them."""
    rows = network.mean + 0.7 * (network.bank - network.mean)
    return [tensor_to_image(network.generator(on_mean_layout(network, row[None])).image[0]) for row in rows]


def test_what_is_nearer_than_the_distance_is_left_out_and_the_rest_is_said(network, faces):
    judge = MeanColour()
    known = [judge.embed(faces[n]["image"].permute(1, 2, 0).numpy(), None) for n in range(len(faces))]
    nearest = [min(judge.distance(judge.embed(made, None), one) for one in known) for made in pictures(network)]
    least = float(np.median(nearest))
    told = []
    kept, facts = Apart(least, InLightPictures(), judge, lambda *step: told.append(step)).choose(network, faces)
    assert kept == [n for n, distance in enumerate(nearest) if distance >= least]
    assert 0 < len(kept) < 12
    assert facts == {
        "recogniser": judge.name, "least_distance": least, "training_faces_compared": 5, "training_faces_not_found": 0,
        "identities_too_near": 12 - len(kept), "identities_without_a_face": 0, "nearest": round(min(nearest[n] for n in kept), 4),
    }  # fmt: skip
    assert told[4:6] == [("training faces", 5, 5), ("identities", 1, 12)]
    bank = network.bank
    network.keep_identities(kept)
    assert torch.equal(network.bank, bank[kept])
    assert network.config["bank"] == len(kept)


def test_an_identity_without_a_face_is_not_kept(network, faces):
    brightness = [made.mean() for made in pictures(network)]
    light = float(np.median(brightness))
    lit = [faces[n] for n in range(len(faces))]
    lit = [{**face, "image": torch.full_like(face["image"], 250)} for face in lit]
    kept, facts = Apart(0.0, InLightPictures(light), MeanColour()).choose(network, lit)
    assert kept == [n for n, value in enumerate(brightness) if value >= light]
    assert facts["identities_without_a_face"] == 12 - len(kept) > 0
    assert facts["identities_too_near"] == 0


def test_training_data_without_a_face_say_nothing(network, faces):
    with pytest.raises(VeraError, match="no face is found in the run's training data"):
        Apart(0.0, InLightPictures(256), MeanColour()).choose(network, faces)


def test_a_group_of_which_nothing_is_left_is_named(network):
    network.fill_bank(network.bank, network.mean, kinds={"a": 4, "b": 8})
    network.keep_identities([1, 2, 4, 11])
    assert network.config["kinds"] == {"a": 2, "b": 2}
    with pytest.raises(VeraError, match="no identity of the group 'b' is left"):
        network.keep_identities([0, 1])
