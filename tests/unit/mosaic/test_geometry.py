"""Points, warps and pyramids: what comes out of them must be what went in, where it must."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from tests.reference.drawn_portraits import landmarks

from vera.data.procedural import draw_attributes
from vera.mosaic.points import INNER, MARGIN, REGIONS, extend, mirrored
from vera.mosaic.pyramid import collapse, fine_shares, join, laplacian
from vera.mosaic.shapes import mixed
from vera.mosaic.warping import NARROW, WHOLE, Target, blurred, resample, triangulate
from vera.types import VeraError


def mesh(seed):
    return extend(landmarks(draw_attributes(np.random.default_rng(seed))))


def test_the_mesh_covers_the_frame():
    points = mesh(0)
    assert points.shape == (105, 2)
    assert points.min() == pytest.approx(-MARGIN)
    assert points.max() == pytest.approx(1 + MARGIN)
    assert sorted(p for region in REGIONS.values() for p in region) == list(range(INNER))
    assert points[68:77, 1].max() < points[27, 1], "the forehead lies above the eyes"


def test_a_face_outside_its_crop_is_refused():
    with pytest.raises(VeraError, match="does not fit"):
        extend(landmarks(draw_attributes(np.random.default_rng(0))) * 1.5)


def test_mirroring_twice_is_nothing():
    points = mesh(1)
    assert np.allclose(mirrored(mirrored(points)), points)
    assert np.allclose(mirrored(points)[36:42].mean(0), points[42:48].mean(0) * [-1, 1] + [1, 0]), "the left eye becomes the right one"


def test_a_face_warped_to_itself_is_itself():
    points = mesh(2)
    target = Target(points, triangulate(points), 32)
    way = target.way_to(points)
    centres = (np.arange(32) + 0.5) / 32
    assert np.allclose(way[..., 0], centres[None, :], atol=1e-4)
    assert np.allclose(way[..., 1], centres[:, None], atol=1e-4)


def test_a_warp_moves_points_to_points():
    ours, theirs = mesh(3), mesh(4)
    target = Target(ours, triangulate((ours + theirs) / 2), 256)
    way = target.way_to(theirs)
    for point in (8, 30, 39, 48, 57):
        x, y = (ours[point] * 256 - 0.5).round().astype(int)
        assert np.linalg.norm(way[y, x] - theirs[point]) < 0.01


def test_a_large_warp_is_interpolated_between_every_second_pixel():
    """Within triangles it is exact; at their edges it is off by less than a pixel."""
    target, source = mesh(3), mesh(4)
    triangles = triangulate((target + source) / 2)
    whole = Target(target, triangles, WHOLE - 1).way_to(source)
    halved = Target(target, triangles, 2 * (WHOLE - 1)).way_to(source)
    assert halved.shape == (2 * (WHOLE - 1), 2 * (WHOLE - 1), 2)
    inside = slice(WHOLE // 4, 3 * WHOLE // 4)
    difference = np.abs(halved.reshape(WHOLE - 1, 2, WHOLE - 1, 2, 2).mean(axis=(1, 3)) - whole)[inside, inside]
    assert np.median(difference) < 1e-4 / WHOLE * 10
    assert difference.max() < 1 / WHOLE


@pytest.mark.parametrize("sigma", [NARROW - 1, 2 * NARROW, 5 * NARROW])
def test_a_wide_gaussian_is_one_at_reduced_size_too(sigma):
    image = np.random.default_rng(0).uniform(0, 255, (200, 240, 3)).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), 1.0) + np.linspace(0, 100, 240, dtype=np.float32)[None, :, None]
    border = round(3 * sigma)
    inside = (slice(border, -border), slice(border, -border))
    assert np.abs(blurred(image, sigma) - cv2.GaussianBlur(image, (0, 0), sigma))[inside].max() < 1
    assert blurred(image[..., 0], sigma).shape == (200, 240)


def test_pull_knows_the_margin():
    side = 280  # a crop of 200 with its margin
    ramp = np.repeat(((np.arange(side) + 0.5) / 200 - MARGIN)[None, :], side, axis=0).astype(np.float32)
    way = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 8), np.linspace(0.1, 0.9, 8)), axis=-1).astype(np.float32)
    assert np.allclose(resample(ramp, way), way[..., 0], atol=2e-3)


@pytest.mark.parametrize("shape", [(32, 32, 3), (20, 28, 3), (16, 16, 1)])
def test_a_pyramid_collapses_to_the_image(shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert np.allclose(collapse(laplacian(image, 3)), image, atol=1e-5)


def test_joining_is_exact_far_from_the_joint():
    inside, outside = np.full((64, 64, 3), 200, np.float32), np.full((64, 64, 3), 50, np.float32)
    mask = np.zeros((64, 64, 1), np.float32)
    mask[:, 32:] = 1
    joined = join(inside, outside, mask, 2)
    assert np.allclose(joined[:, :20], 50, atol=0.5)
    assert np.allclose(joined[:, 44:], 200, atol=0.5)
    assert (np.diff(joined[32, :, 0]) > -1).all()


def test_detail_is_measured_in_parts_of_the_face():
    assert fine_shares(256) == [1.0, 0.9, 0.4]
    assert fine_shares(512) == [1.0, 1.0, 0.9, 0.4]
    assert fine_shares(128) == [0.9, 0.4]


def test_a_mixture_of_shapes_takes_from_nobody_more_than_the_bound():
    """The derivative of the mixture with respect to each person's points, measured: not above 0.35 in sum over a region."""
    rng = np.random.default_rng(0)
    weights = {region: np.array([0.35, 0.3, 0.2, 0.15]) for region in REGIONS}
    recipe = SimpleNamespace(whole=np.array([0.15, 0.2, 0.3, 0.35]), regions=weights)
    meshes = [mesh(seed) for seed in range(4)]
    for person in range(4):
        moved = [points.copy() for points in meshes]
        step = rng.normal(size=2) * 0.01
        moved[person] += step
        change = mixed(recipe, moved)[:INNER] - mixed(recipe, meshes)[:INNER]
        share = change @ step / (step @ step)
        assert share.max() <= 0.35 + 1e-9
        assert share.min() >= 0
