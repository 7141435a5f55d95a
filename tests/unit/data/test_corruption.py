"""Corruption: labels move with the pixels, each image by itself, and nothing happens without strength."""

import pytest
import torch

from vera.data.corruption.accessories import clothes, hats, occluders, spectacles
from vera.data.corruption.corrupt import Corruption
from vera.data.corruption.numbers import FIELDS, Numbers, mean_over
from vera.data.corruption.pose import Pose, move
from vera.data.corruption.scene import surroundings
from vera.data.procedural import ProceduralFaces
from vera.types import Semantic, VeraError

STILL = Pose(rotation=0.0, scale=0.0, shift=0.0, tilt=0.0, bend=0.0)
FAR = Pose(rotation=35.0, scale=0.5, shift=0.12, tilt=0.2, bend=0.015)
SIDE = 64


@pytest.fixture(scope="module")
def faces():
    samples = [ProceduralFaces(size=SIDE, count=16, seed=1)[n] for n in range(16)]
    images = torch.stack([s["image"] for s in samples]).float() / 127.5 - 1
    return images, torch.stack([s["labels"] for s in samples])


def draws(count, seed=0, side=SIDE):
    source = torch.Generator().manual_seed(seed)
    uniform = torch.rand(count, Corruption.numbers, generator=source)
    return uniform, torch.randn(count, Corruption.normals(side), generator=source)


def numbers(count, seed=0, *, rest=0.0):
    """Numbers of which the first decides that a change is made."""
    uniform, normal = draws(count, seed)
    uniform[:, 0] = rest
    return Numbers(uniform, normal, SIDE)


def whole(probability=1.0, rare=1.0, pose=FAR):
    return Corruption(probability=probability, rare=rare, pose=pose)


def test_without_strength_nothing_changes(faces):
    images, labels = faces
    seen, where = whole(0.0, 0.0)(images, labels, *draws(16))
    assert torch.equal(seen, images)
    assert torch.equal(where, labels.long())


def test_the_same_numbers_give_the_same_and_others_another(faces):
    first, again, other = (whole(0.5, 0.5)(*faces, *draws(16, seed)) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_images_do_not_influence_each_other(faces):
    images, labels = faces
    uniform, normal = draws(16)
    together = whole(0.5, 0.5)(images, labels, uniform, normal)
    alone = whole(0.5, 0.5)(images[5:6], labels[5:6], uniform[5:6], normal[5:6])
    torch.testing.assert_close(together[0][5:6], alone[0], atol=1e-5, rtol=0)
    assert torch.equal(together[1][5:6], alone[1])


def test_results_are_images_and_class_numbers(faces):
    images, labels = faces
    for seed in range(3):
        seen, where = whole()(images, labels, *draws(16, seed))
        assert torch.isfinite(seen).all()
        assert seen.abs().max() <= 1
        assert where.dtype == torch.int64
        assert set(where.unique().tolist()) <= {int(kind) for kind in Semantic}
        assert (seen - images).abs().mean(dim=(1, 2, 3)).min() > 0.01  # each image was changed


def test_labels_move_with_the_pixels(faces):
    """Pictures that *are* their labels, moved: away from borders the pixels still say what the labels say."""
    _, labels = faces
    levels = labels[:, None].expand(-1, 3, -1, -1).float() / 12
    moved, where = move(levels, labels.long(), numbers(16), 1.0, FAR)
    spread = torch.nn.functional.max_pool2d(moved, 3, 1, 1) + torch.nn.functional.max_pool2d(-moved, 3, 1, 1)
    inside = spread[:, 0] < 1e-4
    assert inside.float().mean() > 0.5
    assert torch.equal((moved[:, 0] * 12).round().long()[inside], where[inside])
    assert (where != labels).float().mean() > 0.1


def test_a_shift_is_the_shift_that_was_drawn(faces):
    images, labels = faces
    pose = Pose(rotation=0.0, scale=0.0, shift=0.25, tilt=0.0, bend=0.0)
    n = numbers(16)
    # Five changes made; angle and scale; a quarter to the right and nothing down; tilts; mirrored borders.
    n._columns = iter(torch.tensor([0.0] * 5 + [0.5, 0.5] + [1.0, 0.5] + [0.0] * 3).expand(16, -1).unbind(1))
    moved, where = move(images, labels.long(), n, 1.0, pose)
    by = SIDE // 4
    assert torch.equal(where[:, :, by:], labels[:, :, :-by].long())
    torch.testing.assert_close(moved[..., by:], images[..., :-by], atol=1e-4, rtol=0)


def test_another_place_leaves_the_person(faces):
    images, labels = faces
    x = (images + 1) / 2
    seen = surroundings(x, labels.long(), numbers(16), 1.0)
    behind = labels[:, None] == Semantic.BACKGROUND
    near = torch.nn.functional.max_pool2d(behind.float(), 7, 1, 3) > 0
    assert torch.equal(torch.where(near, 0, seen), torch.where(near, 0, x))
    assert ((seen - x).abs() * behind).sum(dim=(1, 2, 3)).min() > 1


def test_spectacles_have_frames_around_the_eyes(faces):
    images, labels = faces
    _, where = spectacles((images + 1) / 2, labels.long(), numbers(16), 1.0)
    frames = where == Semantic.GLASSES
    assert (frames.sum(dim=(1, 2)) > 20).all()
    assert ((where != labels) == frames).all()  # what shows through the lenses keeps its label
    axis = torch.linspace(-1, 1, SIDE)[None, None, :, None]
    rows = [mean_over(axis, mask[:, None])[:, 0, 0, 0] for mask in (frames, labels == Semantic.EYES)]
    assert (rows[0] - rows[1]).abs().max() < 0.1


def test_hats_sit_above_the_brows(faces):
    images, labels = faces
    _, where = hats((images + 1) / 2, labels.long(), numbers(16), 1.0)
    hat = where == Semantic.HAT
    assert (hat.sum(dim=(1, 2)) > 100).all()
    assert ((where != labels) == hat).all()
    assert not (hat & (labels == Semantic.EYES)).any()


def test_clothes_cover_shoulders_and_neck_but_no_face(faces):
    images, labels = faces
    _, where = clothes((images + 1) / 2, labels.long(), numbers(16), 1.0)
    drawn = where != labels
    assert (drawn.sum(dim=(1, 2)) > 0).float().mean() > 0.6  # some collars lie below the frame
    assert (where[drawn] == Semantic.CLOTHES).all()
    assert set(labels[drawn].unique().tolist()) <= {Semantic.BACKGROUND, Semantic.NECK}


def test_what_hides_a_face_has_no_label(faces):
    images, labels = faces
    seen = occluders((images + 1) / 2, labels.long(), numbers(16), 2.0)
    assert ((seen - (images + 1) / 2).abs().amax(dim=1) > 0.05).float().mean() > 0.02


def test_no_eyes_no_spectacles():
    images, labels = torch.zeros(2, 3, SIDE, SIDE), torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    seen, where = whole()(images, labels, *draws(2))
    assert torch.isfinite(seen).all()
    assert not where.any()


def test_wrong_numbers_are_refused(faces):
    uniform, normal = draws(16)
    with pytest.raises(VeraError, match="needs numbers of the shapes"):
        whole()(*faces, uniform[:, 1:], normal)
    with pytest.raises(VeraError, match="from 0 to 1"):
        whole(1.5)
    with pytest.raises(VeraError, match="rotation"):
        Pose(rotation=200.0, scale=0.0, shift=0.0, tilt=0.0, bend=0.0)
    unused = Numbers(torch.rand(1, 3), torch.randn(1, FIELDS + 3 * 8**2), 8)
    with pytest.raises(VeraError, match="left random numbers over"):
        unused.require_used()
