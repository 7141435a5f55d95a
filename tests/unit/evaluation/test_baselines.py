import cv2
import numpy as np
import pytest
import torch
from tests.reference.constant import Constant

from vera.evaluation.baselines.controls import Untouched
from vera.evaluation.baselines.ksame import KSame
from vera.evaluation.baselines.obscuring import Blur, Cover, Pixelate, face_region
from vera.faces.alignment import align, transform
from vera.faces.detection import DetectedFace
from vera.faces.photograph import photograph_from_pixels
from vera.types import NUM_CLASSES, Refused, Semantic, VeraError

SIZE = (240, 200)


def face_points(centre=(100.0, 110.0)):
    """68 landmarks of a frontal face, eyes 60 pixels apart."""
    angle = np.linspace(np.pi * 0.98, np.pi * 0.02, 17)
    jaw = np.column_stack([62 * np.cos(angle), 8 + 72 * np.sin(angle)])
    brow = np.column_stack([np.linspace(-46, -14, 5), [-22, -28, -30, -29, -26]])
    nose = np.vstack([np.column_stack([np.zeros(4), [-10, 0, 10, 20]]), np.column_stack([np.linspace(-12, 12, 5), [26, 28, 30, 28, 26]])])
    eye = np.array([[-11, 0], [-4, -5], [4, -5], [11, 0], [4, 4], [-4, 4]], dtype=float)
    turn = np.linspace(np.pi, 3 * np.pi, 21)[:20]
    mouth = np.column_stack([24 * np.cos(turn), 48 + 8 * np.sin(turn)])
    return np.vstack([jaw, brow, brow[::-1] * (-1, 1), nose, eye - (30, 8), eye - (-30, 8), mouth]) + centre


class Detector:
    name = "given"

    def __init__(self, faces=None):
        self.faces = [face_points()] if faces is None else faces

    def detect(self, photograph):
        return [DetectedFace((*p.min(0), *p.max(0)), p, 1.0) for p in self.faces]


class Parser:
    """The mouth, and nothing else."""

    name = "mouth"

    def parse(self, face):
        seen = np.zeros((face.size, face.size), np.uint8)
        cv2.fillConvexPoly(seen, np.round(transform(face.landmarks, face.from_photograph)[48:68]).astype(np.int32), int(Semantic.MOUTH))
        return torch.nn.functional.one_hot(torch.from_numpy(seen).long(), NUM_CLASSES).permute(2, 0, 1).float()


def photograph(seed=0, name="drawn"):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 220, (6, 5, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC) + rng.normal(0, 12, (*SIZE, 3))
    return photograph_from_pixels(smooth.clip(0, 255).astype(np.uint8), name)


def gallery(count=6):
    return {f"g{i}": photograph(100 + i) for i in range(count)}


MAKERS = {
    "blur": lambda **kw: Blur(Detector(), width=0.25, **kw),
    "pixelate": lambda **kw: Pixelate(Detector(), blocks=8, **kw),
    "black": lambda **kw: Cover(Detector(), colour="black", **kw),
    "mean": lambda **kw: Cover(Detector(), colour="mean", **kw),
    "k-same": lambda **kw: KSame(Detector(), gallery(), k=3, **kw),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_what_is_outside_and_what_is_preserved_is_kept_bit_for_bit(make):
    source = photograph()
    drawn = np.zeros(SIZE, dtype=bool)
    drawn[100:110, 60:70] = True
    made = make(preserve=[Semantic.MOUTH], parser=Parser())([source], person="p", masks=[drawn]).photographs[0]
    assert made.preserved[158, 100]  # the mouth
    assert made.preserved[drawn].all()
    np.testing.assert_array_equal(made.image[~made.replaced], source.pixels[~made.replaced])
    assert not (made.replaced & made.preserved).any()
    assert made.replaced[110, 100]
    changed = (made.image != source.pixels).any(axis=2)[made.replaced]
    assert changed.mean() > 0.95


def test_the_whole_face_with_its_forehead_is_painted(make):
    source = photograph()
    made = make()([source], person="p").photographs[0]
    points = np.round(face_points()).astype(int)
    assert made.replaced[points[:, 1].clip(0, SIZE[0] - 1), points[:, 0]].all()
    assert made.replaced[60, 100]  # forehead, 20 pixels over the brows
    assert not made.replaced[:, :20].any()
    assert not made.preserved.any()


def test_the_same_again_and_sources_stay(make):
    source = photograph()
    before = source.pixels.copy()
    anonymizer = make()
    a, b = (anonymizer([source], person="p").photographs[0].image for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(source.pixels, before)


def test_without_a_face_or_the_class_to_keep_a_person_is_refused(make):
    with pytest.raises(VeraError, match="needs a parser"):
        make(preserve=[Semantic.MOUTH])
    anonymizer = make(preserve=[Semantic.GLASSES], parser=Parser())
    with pytest.raises(Refused, match="'glasses' is not visible"):
        anonymizer([photograph()], person="p")
    anonymizer.detector = Detector([])
    with pytest.raises(Refused, match="no face found"):
        anonymizer([photograph()], person="p")


def test_the_record_says_what_was_done(make):
    anonymizer = make(preserve=[Semantic.MOUTH], parser=Parser())
    anonymizer.detector = Detector([face_points(), face_points((60.0, 60.0)) * 0.3])
    made = anonymizer([photograph(), photograph(1)], person="p")
    assert made.person == "p"
    assert made.audit["other_faces"] == [1, 1]
    assert made.audit["config"] | {"preserve": ["mouth"], "parser": "mouth", "detector": "given"} == made.audit["config"]


def test_blur_and_blocks_have_their_size():
    source = photograph()
    fine = Blur(Detector(), width=0.05)([source], person="p").photographs[0]
    coarse = Blur(Detector(), width=0.5)([source], person="p").photographs[0]
    inside = fine.replaced
    assert coarse.image[inside].std() < fine.image[inside].std() < source.pixels[inside].std()
    expected = cv2.GaussianBlur(source.pixels, (0, 0), 0.05 * 60)
    assert np.abs(fine.image[inside].astype(int) - expected[inside]).max() <= 1
    blocks = Pixelate(Detector(), blocks=4)([source], person="p").photographs[0]
    rows, columns = (np.flatnonzero(blocks.replaced.any(axis=axis)) for axis in (1, 0))
    side = -(-len(columns) // 4)
    top, left = rows[0] + side, columns[0] + side  # the second block of the second row lies inside the face
    block = blocks.image[top : top + side, left : left + side]
    assert (block == block[0, 0]).all()
    np.testing.assert_allclose(block[0, 0], source.pixels[top : top + side, left : left + side].mean(axis=(0, 1)), atol=0.51)


def test_covers_have_one_colour():
    source = photograph()
    for colour in ("black", "mean"):
        made = Cover(Detector(), colour=colour)([source], person="p").photographs[0]
        expected = np.zeros(3) if colour == "black" else source.pixels[made.replaced].mean(axis=0)
        np.testing.assert_allclose(made.image[made.replaced] - expected, 0, atol=0.51)


def test_k_same_averages_the_nearest_others():
    people = gallery()
    anonymizer = KSame(Detector(), people, k=2)
    face = align(people["g3"], face_points(), 256)
    assert 3 not in anonymizer.chosen([face], "g3")
    assert anonymizer.chosen([face], "stranger")[0] == 3
    both = anonymizer([people["g3"], people["g4"]], person="p")
    first, second = (made.image[110, 60:140].astype(int) for made in both.photographs)
    assert np.abs(first - second).max() <= 1  # one mean for the person
    alone = KSame(Detector(), {"a": people["g0"], "b": people["g0"], "c": people["g0"]}, k=2)
    copied = alone([people["g3"]], person="p").photographs[0]
    assert np.abs(copied.image[copied.replaced].astype(int) - people["g0"].pixels[copied.replaced]).mean() < 12
    with pytest.raises(VeraError, match="gallery has 6"):
        KSame(Detector(), people, k=6)


def test_k_same_says_which_gallery_it_averages():
    people = gallery(4)
    other = people | {"g3": photograph(200)}
    told = [KSame(Detector(), one, k=2).config["gallery_digest"] for one in (people, gallery(4), other)]
    assert told[0] == told[1] != told[2]


def test_the_region_at_a_photographs_border_stays_inside_it():
    moved = face_points((10.0, 10.0))
    region = face_region(align(photograph(), moved, 256), SIZE)
    assert region.shape == SIZE
    assert region[10, 10]
    Blur(Detector([moved]), width=0.25)([photograph()], person="p")
    Pixelate(Detector([moved]), blocks=8)([photograph()], person="p")


def test_parameters_are_checked():
    for broken in (
        lambda: Blur(Detector(), width=0),
        lambda: Pixelate(Detector(), blocks=0),
        lambda: Cover(Detector(), colour="red"),
        lambda: KSame(Detector(), gallery(), k=1),
    ):
        with pytest.raises(VeraError):
            broken()


def test_controls():
    source = photograph()
    same = Untouched()([source], person="p").photographs[0]
    np.testing.assert_array_equal(same.image, source.pixels)
    assert same.preserved.all()
    grey = Constant()([source], person="p").photographs[0]
    assert (grey.image == 128).all()
    assert grey.replaced.all()
