"""Segmentations of sources: what a parser got wrong before a plain background is put right, what it got right stays."""

import numpy as np
import pytest
from PIL import Image
from tests.reference.drawn_portraits import DrawnDetector, DrawnParser, DrawnRecogniser, draw_people, landmarks

from vera.data.procedural import draw_attributes, render
from vera.faces.photograph import read_photograph
from vera.mosaic.colour import to_lab
from vera.mosaic.masks import forehead_is_clear, refined, valid, with_features
from vera.mosaic.points import MARGIN, extend
from vera.mosaic.sources import Instruments, flipped, frame_side, prepare, prepare_file, read_source
from vera.types import Semantic, VeraError

SIDE = 140


@pytest.fixture
def portrait():
    """Pixels and labels of a frame in which the crop's margin is the drawing's own, and the mesh in units of the crop."""
    attributes = draw_attributes(np.random.default_rng(1))
    plain = {"yaw": 0.0, "smile": 0.0, "light": 0.0}
    looks = type(attributes)(**{**vars(attributes), **plain, "skin": (0.85, 0.66, 0.56), "hair": (0.2, 0.14, 0.09)})
    drawn = render(looks, SIDE)
    points = extend(landmarks(looks) * (1 + 2 * MARGIN) - MARGIN)
    return drawn["image"].permute(1, 2, 0).numpy(), drawn["labels"].numpy(), points


def agreement(labels, truth, part):
    return (labels == part)[truth == part].mean()


def test_a_good_segmentation_stays(portrait):
    pixels, truth, points = portrait
    labels = refined(truth, to_lab(pixels), points)
    for part in (Semantic.BACKGROUND, Semantic.SKIN, Semantic.HAIR, Semantic.NOSE, Semantic.EYES, Semantic.MOUTH, Semantic.EARS):
        assert agreement(labels, truth, part) > 0.9, part
    assert agreement(labels, truth, Semantic.CLOTHES) > 0.8


def test_hair_lost_to_the_background_is_found_and_background_in_the_hair_is_let_go(portrait):
    pixels, truth, points = portrait
    rows = np.mgrid[:SIDE, :SIDE][0]
    lost = truth.copy()
    lost[(truth == Semantic.HAIR) & (rows < 8)] = Semantic.BACKGROUND
    lost[20:30, :12] = Semantic.HAIR  # background, really
    labels = refined(lost, to_lab(pixels), points)
    assert agreement(labels, truth, Semantic.HAIR) > 0.97
    assert (labels[20:30, :12] == Semantic.BACKGROUND).mean() > 0.7


def test_skin_in_the_neckline_is_not_clothes(portrait):
    pixels, truth, points = (part.copy() for part in portrait)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    shoulders = (rows > 0.92) & (np.abs(columns - 0.5) > 0.2)
    pixels[shoulders], truth[shoulders] = (64, 89, 128), Semantic.CLOTHES
    taken = np.where((truth == Semantic.NECK) & (np.mgrid[:SIDE, :SIDE][0] > 0.93 * SIDE), Semantic.CLOTHES, truth).astype(np.uint8)
    labels = refined(taken, to_lab(pixels), points)
    assert agreement(labels, truth, Semantic.NECK) > 0.9


def test_shine_on_a_bald_head_is_skin(portrait):
    pixels, truth, points = portrait
    bald, shining = truth.copy(), pixels.copy()
    bald[truth == Semantic.HAIR] = Semantic.SKIN
    shining[truth == Semantic.HAIR] = np.median(pixels[truth == Semantic.SKIN], axis=0) + 10
    labels = refined(truth, to_lab(shining), points)
    assert not (labels == Semantic.HAIR).any()


def test_brows_joined_to_the_hair_are_brows(portrait):
    pixels, truth, points = portrait
    wrong = np.where(truth == Semantic.BROWS, Semantic.HAIR, truth).astype(np.uint8)
    labels = refined(wrong, to_lab(pixels), points)
    assert agreement(labels, truth, Semantic.BROWS) > 0.7


def test_features_are_painted_where_the_points_are(portrait):
    _, truth, points = portrait
    placed = (points + MARGIN) / (1 + 2 * MARGIN)
    bare = np.where(np.isin(truth, (Semantic.EYES, Semantic.MOUTH, Semantic.NOSE, Semantic.BROWS)), Semantic.SKIN, truth).astype(np.uint8)
    labels = with_features(bare, placed, truth == Semantic.BROWS)
    for part in (Semantic.EYES, Semantic.MOUTH, Semantic.BROWS):
        assert agreement(labels, truth, part) > 0.7, part
        assert agreement(truth, labels, part) > 0.6, part
    assert np.array_equal(labels == Semantic.HAIR, truth == Semantic.HAIR)


def test_hair_in_the_face_is_not_valid(portrait):
    _, truth, points = portrait
    assert forehead_is_clear(truth, points) > 0.95
    fringe = truth.copy()
    fringe[: int(0.37 * SIDE)] = np.where(truth[: int(0.37 * SIDE)] == Semantic.SKIN, Semantic.HAIR, truth[: int(0.37 * SIDE)])
    assert forehead_is_clear(fringe, points) < 0.5
    middle = SIDE // 2
    assert valid(truth)[middle, middle] == 1
    assert valid(fringe)[int(0.3 * SIDE), middle] == 0


@pytest.fixture
def instruments(tmp_path):
    draw_people(tmp_path / "photos", 1)
    return Instruments(DrawnDetector(tmp_path / "photos"), DrawnParser(tmp_path / "photos"), DrawnRecogniser())


def test_a_source_is_aligned_with_its_margin(tmp_path, instruments):
    photograph = read_photograph(tmp_path / "photos" / "p00_neutral.png")
    source = prepare(photograph, "p00", "neutral", size=64, instruments=instruments)
    side = frame_side(64)
    assert source.image.shape == (side, side, 3)
    assert source.labels.shape == (side, side)
    x, y = ((source.points[36:42].mean(0) + MARGIN) / (1 + 2 * MARGIN) * side).astype(int)
    assert source.labels[y, x] == Semantic.EYES
    image, labels = flipped(source)
    assert np.array_equal(image[:, ::-1], source.image)
    assert np.array_equal(labels[:, ::-1], source.labels)


def test_prepared_files_are_checked(tmp_path, instruments):
    file = tmp_path / "photos" / "p00_neutral.png"
    prepare_file(file, tmp_path, "p00", "neutral", size=64, instruments=instruments)
    good = read_source(tmp_path, "p00", "neutral")
    labels = tmp_path / "p00_neutral.labels.png"
    stamp = (tmp_path / "p00_neutral.png").stat().st_mtime_ns
    prepare_file(file, tmp_path, "p00", "neutral", size=64, instruments=instruments)
    assert (tmp_path / "p00_neutral.png").stat().st_mtime_ns == stamp, "prepared once"
    prepare_file(file, tmp_path, "p00", "neutral", size=128, instruments=instruments)
    assert read_source(tmp_path, "p00", "neutral").image.shape[0] == frame_side(128), "another size is prepared anew"
    prepare_file(file, tmp_path, "p00", "neutral", size=64, instruments=instruments)
    for wrong in (good.labels[:20], np.full_like(good.labels, 13), np.repeat(good.labels[..., None], 3, axis=2)):
        Image.fromarray(wrong).save(labels)
        with pytest.raises(VeraError, match="one channel of class numbers"):
            read_source(tmp_path, "p00", "neutral")
    labels.write_bytes(b"")
    with pytest.raises(VeraError, match="remove the three files"):
        read_source(tmp_path, "p00", "neutral")
