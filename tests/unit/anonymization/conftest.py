"""A drawn person, face parts without weights, and a tiny network."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vera.bundle import BundleInfo
from vera.faces.alignment import align, transform
from vera.faces.detection import DetectedFace, Finds
from vera.faces.photograph import photograph_from_pixels
from vera.inversion.autoencoder import Autoencoder
from vera.types import Semantic

TINY = {
    "size": 32,
    "coarse_size": 16,
    "start_size": 8,
    "classes": 13,
    "transparent": [10, 12],
    "latent": 8,
    "local_channels": 4,
    "coarse_channels": 8,
    "layers": [2, 2, 2],
    "channels": {16: 8, 32: 8},
    "attributes": {},
    "mapping_layers": 0,
}


def face_points(centre=(100.0, 110.0), scale=1.0):
    """68 landmarks of a frontal face, eyes 60 pixels apart at scale 1."""
    angle = np.linspace(np.pi * 0.98, np.pi * 0.02, 17)
    jaw = np.column_stack([62 * np.cos(angle), 8 + 72 * np.sin(angle)])
    brow = np.column_stack([np.linspace(-46, -14, 5), [-22, -28, -30, -29, -26]])
    bridge = np.column_stack([np.zeros(4), [-10, 0, 10, 20]])
    base = np.column_stack([np.linspace(-12, 12, 5), [26, 28, 30, 28, 26]])
    eye = np.array([[-11, 0], [-4, -5], [4, -5], [11, 0], [4, 4], [-4, 4]], dtype=float)
    lips = np.array([[-24, 48], [-14, 43], [-5, 41], [0, 42], [5, 41], [14, 43], [24, 48], [14, 55], [5, 58], [0, 58], [-5, 58], [-14, 55]])
    inner = np.array([[-20, 48], [-7, 47], [0, 47], [7, 47], [20, 48], [7, 51], [0, 51], [-7, 51]], dtype=float)
    mirrored_brow = brow[::-1] * (-1, 1)
    points = np.vstack([jaw, brow, mirrored_brow, bridge, base, eye - (30, 8), eye - (-30, 8), lips, inner])
    return points * scale + centre


class Parser:
    """Skin in the jaw's hull and a forehead, mouth, neck, hair above; the rest is background."""

    name = "drawn"

    def parse(self, face):
        size = face.size
        points = transform(face.landmarks, face.from_photograph)
        labels = np.zeros((size, size), dtype=np.uint8)
        up = points[27] - points[8]

        def fill(shape, known):
            cv2.fillConvexPoly(labels, cv2.convexHull(np.round(shape).astype(np.int32)), int(known))

        fill(np.vstack([points[:17], points[:17] + 1.3 * up]), Semantic.HAIR)
        fill(np.vstack([points[4:13], points[4:13] - up]), Semantic.NECK)
        fill(np.vstack([points[:17], points[17:27] + 0.3 * up]), Semantic.SKIN)
        fill(points[48:60], Semantic.MOUTH)
        return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), len(Semantic)).permute(2, 0, 1).float()


class Detector:
    """Says where the faces are."""

    name = "drawn"

    def __init__(self, *points, weak=()):
        self.points, self.weak = points, weak

    def search(self, photograph):
        return Finds(self.detect(photograph), [DetectedFace((*p.min(axis=0), *p.max(axis=0)), p, 0.1) for p in self.weak])

    def detect(self, photograph):
        return [DetectedFace((*p.min(axis=0), *p.max(axis=0)), p, 1.0) for p in self.points]


class Recogniser:
    """Mean colour between brows and chin; distances in grey levels / 255."""

    name, threshold, refusal_threshold, false_accept_rate, calibration = "mean colour", 0.05, 0.05, 0.5, "drawn"

    def embed(self, pixels, landmarks):
        canvas = np.zeros(pixels.shape[:2], dtype=np.uint8)
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(landmarks).astype(np.int32)), 1)
        return pixels[canvas.astype(bool)].mean(axis=0) / 255

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


@pytest.fixture
def points():
    return face_points()


@pytest.fixture
def photograph():
    """Smooth colours with grain, 240 x 200."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(60, 200, (6, 5, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (200, 240), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 3, (240, 200, 3))
    return photograph_from_pixels(smooth.clip(0, 255).astype(np.uint8), "drawn")


@pytest.fixture
def face(photograph, points):
    return align(photograph, points, 128)


@pytest.fixture
def parsed(face):
    return Parser().parse(face)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = Autoencoder(generator=TINY, encoder={"width": 8, "hidden": 8, "layout": 4, "pretrained": False}, bank=0)
    network.fill_bank(torch.randn(12, 28, 8), torch.zeros(28, 8))
    network.info = BundleInfo(Path("tiny"), "d" * 64, "none", {})
    return network.eval().requires_grad_(False)
