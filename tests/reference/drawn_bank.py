"""A tiny bank of exemplars: rows are drawn faces, each said to be made of three donors."""

import numpy as np
from PIL import Image

from tests.reference.drawn_portraits import landmarks, paled
from vera.data.procedural import Attributes, draw_attributes, render
from vera.exemplars.building import Candidate, beard_of, build_bank, eyes_of
from vera.mosaic.colour import to_lab
from vera.mosaic.look import measure
from vera.mosaic.points import extend
from vera.rng import key

SIZE, ROWS, EMBEDDING = 128, 20, 192
SEXES = ("female", "male")


def drawn_face(number, smile=0.0, size=SIZE, **changes):
    """Image (S, S, 3) uint8, class numbers (S, S) uint8 and landmarks (68, 2) in units of the crop."""
    own = draw_attributes(np.random.default_rng(key(0, "exemplar", number)))
    tone = 0.72 + 0.12 * own.skin[0]
    looks = {"skin": (tone, tone * 0.78, tone * 0.66), "hair": (0.25, 0.17, 0.1), "light": 0.1 * own.light, "yaw": 0.0, **changes}
    looks = Attributes(**{**vars(own), "smile": smile, **looks})
    sample = render(looks, size)
    return paled(sample, own.width, looks.skin), sample["labels"].numpy().astype(np.uint8), landmarks(looks)


def candidates(folder, count=ROWS):
    """Drawn faces on disk, as a data set of mosaics holds them."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [_candidate(folder, number) for number in range(count)]


def _candidate(folder, number):
    records = []
    for role, smile in (("neutral", 0.0), ("smiling", 1.0)):
        image, labels, marks = drawn_face(number, smile)
        name = f"{number:03d}_{role}"
        Image.fromarray(image).save(folder / "images" / f"{name}.jpg", quality=95)
        Image.fromarray(labels).save(folder / "masks" / f"{name}.png")
        records.append({"name": name, "points": extend(marks).tolist()})
    image, labels, marks = drawn_face(number)
    lab, points = to_lab(image), extend(marks)
    look = measure(lab, labels, points)
    donors = tuple(f"d{(number + step) % ROWS:02d}" for step in range(3))
    return Candidate(
        number, tuple(records), look.skin, beard_of(look), SEXES[number % 2], 20.0 + number, donors, eyes_of(lab, points), folder
    )


def drawn_bank(folder):
    """The bank; its heads read embeddings of the stand-in recogniser: everybody is of the first group and 30 years old."""
    sex_head, age_head = np.zeros((2, EMBEDDING + 1)), np.zeros(EMBEDDING + 1)
    sex_head[0, -1], age_head[-1] = 1.0, 30.0
    return build_bank(candidates(folder), recogniser="drawn", sex_head=sex_head, age_head=age_head)
