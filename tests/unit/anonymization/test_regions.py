import numpy as np
import pytest
import torch
from PIL import Image

from vera.anonymization.placement import crop_corners, eye_distance
from vera.anonymization.preservation import covered_classes, preserved_region, replaced_region
from vera.faces.alignment import transform
from vera.faces.masks import read_mask
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


def test_a_photograph_or_a_transparent_image_is_no_mask(tmp_path, photograph):
    Image.fromarray(photograph.pixels).save(tmp_path / "photograph.png")
    with pytest.raises(VeraError, match="neither black nor white"):
        read_mask(tmp_path / "photograph.png", photograph.size)
    mask = np.zeros((*photograph.size, 4), dtype=np.uint8)
    mask[..., :3] = 255
    mask[50:90, 50:90, 3] = 255
    Image.fromarray(mask).save(tmp_path / "alpha.png")
    with pytest.raises(VeraError, match="transparent"):
        read_mask(tmp_path / "alpha.png", photograph.size)
    mask[..., :3] = mask[..., 3:]
    Image.fromarray(mask[..., :3]).save(tmp_path / "ringing.jpg", quality=60)
    assert abs(int(read_mask(tmp_path / "ringing.jpg", photograph.size).sum()) - 1600) < 40


def relabelled(parsed, where, known):
    """The same with this class where ``(S, S)`` says so."""
    changed = parsed.clone()
    changed[:, where] = 0
    changed[known, where] = 1
    return changed


def aligned_box(face, low, high):
    """``(S, S)``: an upright box given in photograph pixels."""
    rows, columns = np.mgrid[: face.size, : face.size]
    at = transform(np.column_stack([columns.ravel(), rows.ravel()]).astype(float), face.to_photograph)
    return torch.from_numpy(((at >= low) & (at <= high)).all(axis=1).reshape(face.size, face.size))


def test_cheeks_and_jaw_are_replaced_whatever_they_are_taken_for(photograph, face, parsed):
    lower = aligned_box(face, (30, 125), (170, 200))
    columns, rows = np.round(face.landmarks[:17] * 0.98 + face.landmarks[30] * 0.02).astype(int).T
    for known in (Semantic.BACKGROUND, Semantic.CLOTHES, Semantic.NECK):
        _, replaced = regions(photograph, face, relabelled(parsed, lower, known))
        assert replaced[rows, columns].all(), known


def test_hair_over_a_cheek_stays_but_a_beard_on_the_chin_does_not(photograph, face, parsed):
    hanging = relabelled(parsed, aligned_box(face, (30, 40), (52, 170)), Semantic.HAIR)
    _, replaced = regions(photograph, face, hanging)
    assert not replaced[125, 42]
    assert regions(photograph, face, hanging, hair=True)[1][125, 42]
    bearded = relabelled(parsed, aligned_box(face, (60, 150), (140, 200)), Semantic.HAIR)
    _, replaced = regions(photograph, face, bearded)
    columns, rows = np.round(face.landmarks[6:11] - (0, 2)).astype(int).T
    assert replaced[rows, columns].all()


def test_parts_cut_off_by_a_strand_of_hair_are_replaced(photograph, face, parsed):
    strand = relabelled(parsed, aligned_box(face, (24, 60), (36, 160)), Semantic.HAIR)
    ear = relabelled(strand, aligned_box(face, (14, 100), (23, 130)), Semantic.EARS)
    _, replaced = regions(photograph, face, ear)
    assert replaced[115, 18]
    assert not replaced[115, 30]  # the strand
    fringe = relabelled(parsed, aligned_box(face, (40, 60), (160, 78)), Semantic.HAIR)
    patch = relabelled(fringe, aligned_box(face, (80, 50), (120, 59)), Semantic.SKIN)
    assert regions(photograph, face, patch)[1][55, 100]
    elsewhere = relabelled(strand, aligned_box(face, (4, 40), (20, 58)), Semantic.SKIN)
    assert not regions(photograph, face, elsewhere)[1][50, 10]
