from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from vera.faces.alignment import align, ffhq_similarity, resample, transform, warp_to_photograph
from vera.faces.photograph import photograph_from_pixels
from vera.types import AlignedFace, Photograph, Points, VeraError


def face_points(centre: tuple[float, float] = (250, 220), side: float = 100, angle: float = 0.2) -> Points:
    """68 points that matter only in eyes and mouth."""
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[48], points[54] = (-0.3, -0.2), (0.3, -0.2), (-0.2, 0.4), (0.2, 0.4)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T * side + np.array(centre)


def photograph() -> Photograph:
    return photograph_from_pixels(data.astronaut(), "astronaut")


def test_the_quad_is_ffhqs() -> None:
    upright = face_points((100, 100), 100, 0.0)
    matrix = ffhq_similarity(upright, 64)
    # eye to eye 60, eye to mouth 60: half a side is 120; the centre lies 6 below the eyes
    assert np.allclose(transform(np.array([[-0.5, -0.5], [63.5, 63.5], [31.5, 31.5]]), matrix), [[-20, -34], [220, 206], [100, 86]])


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_it_is_a_similarity_with_an_exact_inverse(angle: float) -> None:
    face = align(photograph(), face_points(angle=angle), 64)
    a = face.to_photograph[:, :2]
    assert np.allclose(a @ a.T, np.eye(2) * np.linalg.det(a))
    points = np.random.default_rng(0).uniform(0, 64, (50, 2))
    assert np.abs(transform(transform(points, face.to_photograph), face.from_photograph) - points).max() < 1e-9
    eyes = transform(face.landmarks[36:48], face.from_photograph)
    assert eyes[:6].mean(0)[1] == pytest.approx(eyes[6:].mean(0)[1], abs=1e-6)


@pytest.mark.parametrize(("side", "size"), [(100, 32), (100, 240), (25, 128), (400, 64)])
def test_a_linear_ramp_lands_on_its_coordinates(side: float, size: int) -> None:
    """Sampling has no half-pixel shift at any scale: the ramp's value is its x coordinate."""
    height, width = 1500, 1600
    ramp = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    matrix = ffhq_similarity(face_points((800, 700), side), size)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2).astype(float)
    expected = transform(grid, matrix)[:, 0].reshape(size, size)
    assert np.abs(resample(np.ascontiguousarray(ramp), matrix, size) - expected)[2:-2, 2:-2].max() < 0.06


def test_shrinking_is_antialiased() -> None:
    checkers = (np.indices((800, 800)).sum(0) % 2 * 255).astype(np.uint8)
    for side in (60.0, 180.0):
        small = resample(checkers, ffhq_similarity(face_points((400, 400), side), 48), 48)
        assert np.abs(small - 127.5).max() < 12


def test_outside_the_photograph_it_reflects() -> None:
    pixels = photograph().pixels
    matrix = np.array([[1.0, 0, -10], [0, 1.0, 490]])
    crop = resample(pixels, matrix, 32)
    assert np.array_equal(crop[:, :10][:10], pixels[490:500, 10:0:-1].astype(np.float32))
    assert np.array_equal(crop[22:][:9, 10:], pixels[510:501:-1, :22].astype(np.float32))


def test_the_crop_is_in_range_and_repeats() -> None:
    face = align(photograph(), face_points(), 64)
    assert face.image.shape == (3, 64, 64)
    assert face.image.dtype == torch.float32
    assert face.image.abs().max() <= 1
    assert torch.equal(face.image, align(photograph(), face_points(), 64).image)


def test_there_and_back_is_the_photograph() -> None:
    source = photograph()
    face = align(source, face_points(side=60), 160)
    back, inside = warp_to_photograph(face.image, face, source.size, cubic=True)
    assert back.shape == (*source.size, 3)
    error = np.abs((back + 1) * 127.5 - source.pixels)[inside]
    assert error.mean() < 3
    assert (back[~inside] == 0).all()


def test_a_window_equals_the_same_part_of_the_whole() -> None:
    face = align(photograph(), face_points((60, 450), 100), 96)
    probabilities = torch.rand(13, 48, 48, generator=torch.Generator().manual_seed(0)).softmax(0)
    whole, inside = warp_to_photograph(probabilities, face, (512, 512))
    rows, columns = np.nonzero(inside)
    window = x0, y0, x1, y1 = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    part, part_inside = warp_to_photograph(probabilities, face, (512, 512), window=window)
    assert np.allclose(part, whole[y0:y1, x0:x1], atol=1e-3)
    assert np.array_equal(part_inside, inside[y0:y1, x0:x1])
    assert inside.sum() == part_inside.sum() > 1000
    assert np.allclose(whole[inside].sum(1), 1, atol=1e-4)


def test_an_image_of_another_size_shares_the_frame() -> None:
    face = align(photograph(), face_points(angle=0), 64)
    u = (torch.arange(256) + 0.5).div(256).expand(1, 256, 256)
    warped, inside = warp_to_photograph(u, face, (512, 512))
    low, high = transform(np.array([[-0.5, 0], [63.5, 0]]), face.to_photograph)[:, 0]
    expected = (np.arange(512) - low) / (high - low)
    assert np.abs(warped[..., 0] - expected)[inside].max() < 0.01


def test_bad_landmarks_are_refused() -> None:
    for bad in (np.zeros((5, 2)), np.full((68, 2), np.nan), np.zeros((68, 2))):
        with pytest.raises(VeraError):
            align(photograph(), bad, 64)
    with pytest.raises(VeraError):
        align(photograph(), face_points(), 0)
    with pytest.raises(VeraError):
        warp_to_photograph(torch.zeros(64, 64), AlignedFace(torch.zeros(3, 8, 8), np.eye(3)[:2], face_points()), (9, 9))
