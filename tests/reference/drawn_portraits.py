"""A folder of drawn people, and stand-ins that know their landmarks: for tests of what is made of real portraits."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

import vera.anonymization.interface
import vera.cli.evaluation  # noqa: F401 - both, so that all modules that import detectors and recognisers hold the real ones
from vera.data.procedural import Attributes, draw_attributes, render
from vera.faces.alignment import resample
from vera.faces.detection import DetectedFace, Finds
from vera.rng import key
from vera.types import Semantic

SIDE = 160
ROLES = {"neutral": 0.0, "smiling": 1.0}


def draw_people(folder, count, *, sexes=("",)):
    """Write PERSON_ROLE.png, people.csv and what the stand-ins know; returns the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    known, rows = {}, []
    for n in range(count):
        own = draw_attributes(np.random.default_rng(key(0, "drawn", n)))
        for role, smile in ROLES.items():
            tone, dark = 0.75 + 0.1 * own.skin[0], 0.2 + 0.2 * own.hair[0]  # few people, so all are alike enough to be mixed
            colours = {"skin": (tone, tone * 0.78, tone * 0.66), "hair": (dark, dark * 0.7, dark * 0.45)}
            looks = Attributes(**{**vars(own), **colours, "smile": smile, "light": 0.2 * own.light, "yaw": 0.3 * own.yaw})
            sample = render(looks, SIDE)
            pixels = paled(sample, own.width, colours["skin"])
            name = f"p{n:02d}_{role}"
            Image.fromarray(pixels).save(folder / f"{name}.png")
            known[name] = {"landmarks": (landmarks(looks) * SIDE - 0.5).tolist(), "labels": sample["labels"].tolist()}
            rows.append((f"p{n:02d}", role, f"{name}.png", sexes[n % len(sexes)], 20 + n, "drawn"))
    (folder / "known.json").write_text(json.dumps(known))
    with (folder / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("person", "role", "path", "sex", "age", "origin"), *rows])
    return folder / "people.csv"


def paled(sample, width, skin):
    """Brows and lips between their own colour and the skin's, by another share for everybody: real ones vary too."""
    pixels, labels = sample["image"].permute(1, 2, 0).numpy().astype(float), sample["labels"].numpy()
    share = np.clip((width - 0.25) / 0.06, 0, 1)
    for part, most in ((Semantic.BROWS, 0.9), (Semantic.MOUTH, 0.6)):
        pixels[labels == part] += most * share * (255 * np.array(skin) - pixels[labels == part])
    return pixels.round().astype(np.uint8)


def landmarks(a):
    """(68, 2) in units of the side."""
    middle = 0.5 + a.yaw
    angles = np.linspace(1.05 * np.pi, -0.05 * np.pi, 17)
    jaw = np.column_stack([0.5 + a.width * np.cos(angles), 0.5 + 0.38 * np.sin(angles)])
    along = np.linspace(-1, 1, 5)
    brows = [np.column_stack([middle + s * 0.12 + 0.06 * along, 0.39 - 0.008 * (1 - along**2)]) for s in (-1, 1)]
    bridge = np.column_stack([np.full(4, middle), np.linspace(0.45, 0.48 + 0.8 * a.nose, 4)])
    base = np.column_stack([middle + 0.03 * along, np.full(5, 0.48 + a.nose)])
    eyes = [ellipse(middle + s * 0.12, 0.46, a.eye, 0.025, 6) for s in (-1, 1)]
    wide, high = 0.08 + 0.04 * a.smile, 0.018 + 0.03 * a.smile
    lips, opening = ellipse(middle, 0.71, wide, high, 12), ellipse(middle, 0.71, 0.8 * wide, 0.6 * high * a.smile + 0.001, 8)
    return np.vstack([jaw, *brows, bridge, base, *eyes, lips, opening])


def ellipse(x, y, rx, ry, points):
    angles = np.pi + np.arange(points) * 2 * np.pi / points
    return np.column_stack([x + rx * np.cos(angles), y + ry * np.sin(angles)])


class DrawnDetector:
    """Knows the drawn people by name; sees one face in the middle of anything else."""

    name = "drawn"

    def __init__(self, folder):
        self.known = json.loads((Path(folder) / "known.json").read_text())

    def search(self, photograph):
        return Finds(self.detect(photograph), [])

    def detect(self, photograph):
        height, width = photograph.size
        if photograph.name in self.known:
            points = np.array(self.known[photograph.name]["landmarks"])
        else:
            mean = np.mean([known["landmarks"] for known in self.known.values()], axis=0)
            points = (mean + 0.5) * (height / SIDE) - 0.5
        return [DetectedFace((0.0, 0.0, float(width), float(height)), points, 1.0)]


class DrawnParser:
    """Knows the drawn people's labels by their landmarks."""

    name = "drawn"

    def __init__(self, folder):
        self.known = json.loads((Path(folder) / "known.json").read_text())

    def parse(self, face):
        known = next(k for k in self.known.values() if np.allclose(k["landmarks"], face.landmarks))
        labels = np.array(known["labels"], np.uint8)
        one_hot = np.stack([resample((labels == c).astype(np.float32), face.to_photograph, face.size) for c in range(13)])
        return torch.from_numpy(one_hot / one_hot.sum(0).clip(1e-6))


class DrawnRecogniser:
    """Tells faces apart by their coarse colours."""

    name = "drawn"
    threshold = refusal_threshold = 0.1
    false_accept_rate = float("nan")
    calibration = "none"

    def embed(self, pixels, landmarks):
        small = cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA)
        return small.astype(np.float64).ravel() / 255 / 8

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))
