import numpy as np
import pytest
from PIL import Image

from vera.anonymization.placement import crop_corners, eye_distance
from vera.anonymization.preservation import covered_classes, preserved_region, read_mask, replaced_region
from vera.types import Semantic, VeraError


def regions(photograph, face, parsed, *, classes=(), mask=None, hair=False):
    preserved = preserved_region(photograph, face, parsed, classes=classes, mask=mask)
    return preserved, replaced_region(photograph, face, parsed, preserved, hair=hair)


def test_nothing_is_preserved_unless_asked_for(photograph, face, parsed):
    preserved, replaced = regions(photograph, face, parsed)
    assert not preserved.any()
    columns, rows = np.round(face.landmarks).astype(int).T
    assert replaced[rows[17:], columns[17:]].all()


def test_classes_and_masks_are_united(photograph, face, parsed):
    mask = np.zeros(photograph.size, dtype=bool)
    mask[100:110, 60:80] = True
    preserved, replaced = regions(photograph, face, parsed, classes=(Semantic.MOUTH,), mask=mask)
    x, y = face.landmarks[48:60].mean(axis=0).astype(int)
    assert preserved[y, x]
    assert preserved[mask].all()
    assert not (replaced & preserved).any()


def test_a_parsers_hole_is_replaced_too(photograph, face, parsed):
    holed = parsed.clone()
    holed[:, 40:90, 40:90] = 0
    holed[Semantic.BACKGROUND, 40:90, 40:90] = 1
    _, replaced = regions(photograph, face, holed)
    columns, rows = np.round(face.landmarks[17:]).astype(int).T
    assert replaced[rows, columns].all()


def test_hair_is_an_option(photograph, face, parsed):
    _, bare = regions(photograph, face, parsed)
    _, more = regions(photograph, face, parsed, hair=True)
    assert more.sum() > 1.1 * bare.sum()
    assert more[bare].all()


def test_the_region_stays_inside_the_crop(photograph, face, parsed):
    everywhere = parsed.clone()
    everywhere[:] = 0
    everywhere[Semantic.SKIN] = 1
    _, replaced = regions(photograph, face, everywhere)
    low, high = crop_corners(face).min(axis=0), crop_corners(face).max(axis=0)
    rows, columns = np.nonzero(replaced)
    assert rows.min() > low[1]
    assert columns.min() > low[0]
    assert rows.max() < high[1]
    assert columns.max() < high[0]


def test_refusals(photograph, face, parsed):
    full, empty = np.ones(photograph.size, dtype=bool), np.zeros(photograph.size, dtype=bool)
    with pytest.raises(VeraError, match="more than 85%"):
        regions(photograph, face, parsed, mask=full)
    with pytest.raises(VeraError, match="is empty"):
        regions(photograph, face, parsed, mask=empty)
    with pytest.raises(VeraError, match="its photograph"):
        regions(photograph, face, parsed, mask=full[:-1])
    with pytest.raises(VeraError, match="'glasses' is not visible"):
        regions(photograph, face, parsed, classes=(Semantic.GLASSES,))


def test_covered_classes(photograph, face, parsed):
    preserved = preserved_region(photograph, face, parsed, classes=(Semantic.MOUTH,), mask=None)
    assert covered_classes(face, parsed, preserved) == [Semantic.MOUTH]


def test_mask_files(tmp_path, photograph):
    mask = np.zeros(photograph.size, dtype=np.uint8)
    Image.fromarray(mask).save(tmp_path / "empty.png")
    mask[5:9, 5:9] = 255
    mask[20, 20] = 127
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert read_mask(tmp_path / "mask.png", photograph.size).sum() == 16
    for name in ("empty.png", "broken.png", "absent.png"):
        with pytest.raises(VeraError):
            read_mask(tmp_path / name, photograph.size)
    with pytest.raises(VeraError, match="at its full size"):
        read_mask(tmp_path / "mask.png", (7, 7))


def test_eye_distance(face):
    assert eye_distance(face) == pytest.approx(60)
