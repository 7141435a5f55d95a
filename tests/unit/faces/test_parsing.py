from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from vera.faces.alignment import align, transform
from vera.faces.detection import DlibDetector
from vera.faces.geometry import FaceGeometry
from vera.faces.parsing import LandmarkParser
from vera.faces.photograph import photograph_from_pixels
from vera.types import NUM_CLASSES, AlignedFace, Points, Semantic, VeraError


@pytest.fixture(scope="module")
def landmarks() -> Points:
    return DlibDetector().detect(photograph_from_pixels(data.astronaut(), "astronaut"))[0].landmarks


@pytest.fixture(scope="module")
def face(landmarks: Points) -> AlignedFace:
    return align(photograph_from_pixels(data.astronaut(), "astronaut"), landmarks, 128)


@pytest.fixture(scope="module")
def probabilities(face: AlignedFace) -> torch.Tensor:
    return LandmarkParser().parse(face)


def test_it_gives_probabilities(probabilities: torch.Tensor) -> None:
    assert probabilities.shape == (NUM_CLASSES, 128, 128)
    assert probabilities.dtype == torch.float32
    assert probabilities.min() >= 0
    assert torch.allclose(probabilities.sum(0), torch.ones(128, 128), atol=1e-5)
    assert ((probabilities > 0.05) & (probabilities < 0.95)).any(), "edges are antialiased"


def test_it_repeats_exactly(face: AlignedFace, probabilities: torch.Tensor) -> None:
    assert torch.equal(LandmarkParser().parse(face), probabilities)


def test_the_parts_lie_where_the_landmarks_are(face: AlignedFace, probabilities: torch.Tensor, landmarks: Points) -> None:
    labels = probabilities.argmax(0).numpy()
    points = transform(landmarks, face.from_photograph)

    def at(point: np.ndarray) -> int:
        x, y = np.round(point).astype(int)
        return int(labels[y, x])

    assert at(points[36:42].mean(0)) == Semantic.EYES
    assert at(points[42:48].mean(0)) == Semantic.EYES
    assert at(points[60:68].mean(0)) == Semantic.MOUTH
    assert at(points[30]) == Semantic.NOSE
    assert at((points[3] + points[31]) / 2) == Semantic.SKIN
    assert at(points[19]) == Semantic.BROWS


def test_the_astronauts_hair_background_and_suit_are_found(probabilities: torch.Tensor) -> None:
    labels = probabilities.argmax(0).numpy()
    assert labels[5, 3] == labels[5, 124] == Semantic.BACKGROUND
    assert labels[20, 64] == Semantic.HAIR  # the crown
    assert labels[60, 22] == Semantic.HAIR  # beside the face
    assert labels[126, 64] in (Semantic.CLOTHES, Semantic.NECK)
    shares = np.bincount(labels.ravel(), minlength=NUM_CLASSES) / labels.size
    for semantic, low, high in ((Semantic.SKIN, 0.1, 0.35), (Semantic.HAIR, 0.15, 0.45), (Semantic.BACKGROUND, 0.2, 0.6)):
        assert low < shares[semantic] < high, semantic.name
    assert shares[Semantic.GLASSES] == shares[Semantic.HAT] == shares[Semantic.EARRINGS] == 0


def test_another_size_gives_the_same_segmentation(landmarks: Points, probabilities: torch.Tensor) -> None:
    large = align(photograph_from_pixels(data.astronaut(), "astronaut"), landmarks, 320)
    other = torch.nn.functional.interpolate(LandmarkParser().parse(large)[None], (128, 128), mode="area")[0]
    assert (other.argmax(0) == probabilities.argmax(0)).float().mean() > 0.93


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_a_picture_without_any_contrast_is_no_fault(face: AlignedFace, value: float) -> None:
    flat = AlignedFace(torch.full((3, 64, 64), value), face.to_photograph @ np.diag([2.0, 2.0, 1.0]), face.landmarks)
    result = LandmarkParser().parse(flat)
    assert torch.isfinite(result).all()
    assert (result[Semantic.MOUTH] > 0.5).any()


def test_landmarks_outside_the_crop_are_refused(face: AlignedFace) -> None:
    for shift in (-200.0, 200.0):
        with pytest.raises(VeraError, match="landmarks"):
            LandmarkParser().parse(AlignedFace(face.image, face.to_photograph, face.landmarks + shift))


def test_geometry_draws_parts_with_soft_edges_and_in_place(face: AlignedFace) -> None:
    points = transform(face.landmarks, face.from_photograph)
    geometry = FaceGeometry(points, 128)
    mouth = geometry.part(Semantic.MOUTH)
    rows, columns = np.nonzero(mouth > 0.5)
    assert np.allclose([columns.mean(), rows.mean()], points[48:60].mean(0), atol=2)
    assert ((mouth > 0) & (mouth < 1)).any()
    assert not (geometry.core & (mouth > 0)).any()
    assert geometry.face.sum() < geometry.head.sum()
