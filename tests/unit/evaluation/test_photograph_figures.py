"""Figures over one photograph at a time: observation, preservation, attributes, segmentation."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from vera.evaluation.judges import Observer
from vera.evaluation.metrics.attributes import ANCHORS, HEAD, MEASURES, AttributePreservation, angle_between, expression, pose
from vera.evaluation.metrics.preservation import Preservation, seam_ratio
from vera.evaluation.metrics.segmentation import SegmentationConsistency
from vera.faces.detection import DetectedFace
from vera.faces.photograph import photograph_from_pixels
from vera.types import NUM_CLASSES, AlignedFace, Semantic, VeraError

SIZE = (200, 240)


def face_points(centre=(120.0, 90.0)):
    """68 points in a plausible arrangement."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-5, 5, (68, 2)) + centre
    eye = np.array([[-8, 0], [-3, -4], [3, -4], [8, 0], [3, 4], [-3, 4]], dtype=float)
    points[36:42], points[42:48] = eye + centre + (-22, -15), eye + centre + (22, -15)
    points[17:22] = np.column_stack([np.linspace(-35, -12, 5), np.full(5, -28.0)]) + centre
    points[22:27] = np.column_stack([np.linspace(12, 35, 5), np.full(5, -28.0)]) + centre
    angle = np.linspace(0, 2 * np.pi, 13)[:12]
    points[48:60] = np.column_stack([-16 * np.cos(angle), 32 - 6 * np.sin(angle)]) + centre
    inner = np.linspace(0, 2 * np.pi, 9)[:8]
    points[60:68] = np.column_stack([-10 * np.cos(inner), 32 - 2 * np.sin(inner)]) + centre
    points[30], points[8] = np.add(centre, (0, 8)), np.add(centre, (0, 62))
    return points


class Detector:
    name = "given"

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, photograph):
        return [DetectedFace((*p.min(0), *p.max(0)), p, 1.0) for p in self.faces]


class Recogniser:
    name = "colour"

    def embed(self, pixels, landmarks):
        x, y = landmarks.mean(axis=0).astype(int)
        return pixels[y, x].astype(float)


@pytest.fixture
def photograph():
    return photograph_from_pixels(np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8), "noise")


def test_observation_takes_the_largest_face_or_the_one_at_the_place(photograph):
    large, small = face_points(), face_points((50.0, 40.0)) * 0.9
    seen = Observer([Detector(large, small)], [Recogniser()])(photograph)
    np.testing.assert_array_equal(seen.landmarks, large)
    seen = Observer([Detector(large, small)], [Recogniser()])(photograph, place=small + 1)
    np.testing.assert_array_equal(seen.landmarks, small)
    np.testing.assert_array_equal(seen.embeddings["colour"], Recogniser().embed(photograph.pixels, small))
    assert seen.found == {"given": True}


def test_where_no_face_is_found_the_recognisers_look_at_the_place(photograph):
    place = face_points()
    for detector in (Detector(), Detector(face_points((40.0, 30.0)) * 0.3)):  # nothing, or something elsewhere
        seen = Observer([detector], [Recogniser()])(photograph, place=place)
        assert seen.found == {"given": False}
        assert seen.usable
        np.testing.assert_array_equal(seen.landmarks, place)
    nothing = Observer([Detector()], [Recogniser()])(photograph)
    assert not nothing.usable
    assert np.isnan(nothing.landmarks).all()


def test_observers_need_parts_that_can_be_told_apart():
    with pytest.raises(VeraError, match="one name"):
        Observer([Detector(), Detector()], [])
    with pytest.raises(VeraError, match="at least one detector"):
        Observer([], [Recogniser()])


def region():
    mask = np.zeros(SIZE, dtype=bool)
    mask[60:120, 70:150] = True
    return mask


def test_untouched_photographs_are_preserved(photograph):
    metric = Preservation()
    metric.update(photograph.pixels, photograph.pixels, region())
    metric.update(photograph.pixels, photograph.pixels, ~region() & False)
    result = metric.compute()
    assert (result["photographs"], result["without_region"]) == (1, 1)
    assert (result["equal_share"], result["identical"]["share"], result["psnr"], result["seam_ratio"]) == (1, 1, None, 1)


def test_changes_inside_the_region_are_seen_and_outside_are_not(photograph):
    outside, inside = photograph.pixels.copy(), photograph.pixels.copy()
    outside[~region()] = 0
    inside[60:90, 70:150] ^= 1  # half of the region by one grey level
    metric = Preservation()
    metric.update(photograph.pixels, outside, region())
    metric.update(photograph.pixels, inside, region())
    result = metric.compute()
    assert result["equal_share"] == 0.75
    assert result["identical"]["count"] == 1
    assert result["psnr"] == pytest.approx(10 * np.log10(255**2 / 0.5))


def test_a_seam_is_a_ratio_of_steps():
    flat = np.full((*SIZE, 3), 100, np.uint8)
    ramp = flat + np.arange(SIZE[1], dtype=np.uint8)[None, :, None] // 2
    stepped = flat.copy()
    stepped[~region()] += 12
    assert seam_ratio(flat, flat, region()) == 1
    assert seam_ratio(ramp, ramp, region()) == 1
    assert seam_ratio(flat, stepped, region()) == pytest.approx(12)
    assert np.isnan(seam_ratio(flat, flat, np.ones(SIZE, dtype=bool)))
    metric = Preservation()
    metric.update(flat, stepped, region())
    assert metric.compute()["seam_ratio_p95"] == pytest.approx(12)


def test_lpips_is_taken_inside_the_region_only(photograph):
    class Difference(nn.Module):
        def forward(self, a, b):
            return (a - b).abs().mean(dim=(1, 2, 3))

    outside, inside = photograph.pixels.copy(), photograph.pixels.copy()
    outside[~region()] = 0
    inside[region()] = 0
    for made, low, high in ((outside, 0, 1e-9), (inside, 0.5, 1.5)):
        metric = Preservation(Difference())
        small = region()
        small[60:90] = False  # thinner than LPIPS's least side: enlarged
        metric.update(photograph.pixels, made, small)
        assert low <= metric.compute()["lpips"] <= high
    metric.network.name = "perceptual_alex_own_weights_0"
    metric.update(photograph.pixels, photograph.pixels, region())
    assert "lpips" not in metric.compute()
    with pytest.raises(VeraError, match="one size"):
        Preservation().update(photograph.pixels, photograph.pixels[1:], region())


@pytest.mark.parametrize("turned", [0.0, 10.0, -25.0])
def test_pose_of_a_projected_head_is_found_again(turned):
    rotation = cv2.Rodrigues(np.radians([5.0, turned, 3.0]))[0]
    camera = np.array([[240.0, 0, 119.5], [0, 240, 99.5], [0, 0, 1]])
    placed, _ = cv2.projectPoints(HEAD, cv2.Rodrigues(rotation)[0], np.array([0.0, 0, 1500]), camera, None)
    points = face_points()
    points[list(ANCHORS)] = placed[:, 0]
    assert angle_between(pose(points, SIZE), rotation) < 0.1
    assert angle_between(rotation, np.eye(3)) == pytest.approx(np.degrees(np.linalg.norm(cv2.Rodrigues(rotation)[0])))


def test_no_pose_follows_from_one_point():
    with pytest.raises(VeraError, match="no head pose follows"):
        pose(np.full((68, 2), 20.0), SIZE)


def test_expression_measures_one_thing_each_and_ignore_roll_and_size():
    neutral = face_points()
    before = dict(zip(MEASURES, expression(neutral), strict=True))
    opened, smiling, raised = neutral.copy(), neutral.copy(), neutral.copy()
    opened[65:68, 1] += 11  # a quarter of the 44 pixels between the eyes
    smiling[[48, 54], 1] -= 4.4
    raised[17:22, 1] -= 8.8
    for points, name, change in ((opened, "mouth_opening", 0.25), (smiling, "mouth_corners", 0.1), (raised, "left_brow", 0.2)):
        after = dict(zip(MEASURES, expression(points), strict=True))
        assert after.pop(name) - before[name] == pytest.approx(change)
        assert after == pytest.approx({k: v for k, v in before.items() if k != name})
    turn = np.radians(20)
    rotated = 3 * neutral @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    np.testing.assert_allclose(expression(rotated), expression(neutral), atol=1e-9)


def test_attribute_preservation():
    rng = np.random.default_rng(4)
    metric = AttributePreservation()
    for opening in rng.uniform(0, 20, 6):
        points = face_points()
        points[65:68, 1] += opening
        metric.update(points, points + 3, size=SIZE, ages=(40.0, 43.0))
    result = metric.compute()
    assert result["photographs"] == 6
    assert result["pose_degrees"] < 2
    assert result["expression"]["mouth_opening"]["correlation"] == pytest.approx(1)
    assert result["expression"]["mouth_opening"]["mean_difference"] == pytest.approx(0, abs=1e-9)
    assert result["expression"]["mouth_width"]["correlation"] is None  # it does not vary
    assert result["age_years"] == pytest.approx(3)
    assert result["absent"] == ["gaze"]
    alone = AttributePreservation()
    alone.update(face_points(), face_points(), size=SIZE)
    assert alone.compute()["absent"] == ["gaze", "age"]
    with pytest.raises(VeraError, match="68 finite"):
        alone.update(face_points(), np.full((68, 2), np.nan), size=SIZE)
    assert alone.compute()["photographs"] == 1


class Halves:
    name = "halves"

    def parse(self, face):
        seen = torch.zeros(NUM_CLASSES, face.size, face.size)
        seen[Semantic.SKIN, : face.size // 2] = 1
        seen[Semantic.BACKGROUND, face.size // 2 :] = 1
        return seen


def test_segmentation_consistency():
    face = AlignedFace(torch.zeros(3, 8, 8), np.eye(2, 3), face_points())
    metric = SegmentationConsistency(Halves())
    metric.update(face, Halves().parse(face))
    assert metric.compute()["mean_iou"] == metric.compute()["pixel_accuracy"] == 1
    hair = torch.zeros(NUM_CLASSES, 8, 8)
    hair[Semantic.HAIR] = 1
    metric.update(face, hair)
    result = metric.compute()
    assert result["pixel_accuracy"] == 0.5
    assert (result["iou"]["skin"], result["iou"]["background"], result["iou"]["hair"], result["iou"]["nose"]) == (0.5, 0.5, 0, None)
    assert result["mean_iou"] == pytest.approx(1 / 3)
    with pytest.raises(VeraError, match="resize"):
        metric.update(face, hair[:, :4])
