import math

import pytest
import torch
import torch.nn.functional as F

from vera.attributes.expression import NAMES, SegmentationExpression
from vera.attributes.geometry import frame, part
from vera.attributes.illumination import NAMES as LIGHTS
from vera.attributes.illumination import SkinShading
from vera.attributes.pose import SegmentationPose
from vera.types import NUM_CLASSES, Semantic, VeraError

SIZE = 96
UNIT = [-1.0, 1.0]
POSE, EXPRESSION, LIGHT = (dict.fromkeys(names, UNIT) for names in (("yaw", "pitch", "roll"), NAMES, LIGHTS))


def drawn(*, turn=0.0, yaw=0.0, mouth=(0.10, 0.03), eye=0.02):
    """A soft segmentation of ellipses; ``turn`` in degrees clockwise, ``yaw`` shifts the features to the right."""
    axis = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    x, y = c * x + s * y, c * y - s * x
    maps = torch.zeros(NUM_CLASSES, SIZE, SIZE)
    maps[Semantic.BACKGROUND] = 1

    def ellipse(kind, cx, cy, rx, ry):
        cover = torch.sigmoid(40 * (1 - ((x - cx) / rx) ** 2 - ((y - cy) / ry) ** 2))
        maps.mul_(1 - cover)
        maps[kind] += cover

    ellipse(Semantic.SKIN, 0, 0, 0.27, 0.36)
    for side in (-1, 1):
        ellipse(Semantic.EYES, yaw + side * 0.12, -0.04, 0.05, eye)
        ellipse(Semantic.BROWS, yaw + side * 0.12, -0.12, 0.06, 0.015)
    ellipse(Semantic.NOSE, 1.5 * yaw, 0.06, 0.03, 0.06)
    ellipse(Semantic.MOUTH, yaw, 0.2, *mouth)
    return maps[None]


def pose():
    return SegmentationPose(yaw=[20.0, 5.0, -30.0], pitch=[30.0, 10.0, 5.0, -4.0], ranges=POSE)


def read(encoder, segmentation, image=None):
    return encoder(torch.zeros(1, 3, SIZE, SIZE) if image is None else image, segmentation)[0].tolist()


def test_moments_of_a_disc_are_its_radius():
    axis = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    segmentation = torch.zeros(1, NUM_CLASSES, SIZE, SIZE)
    segmentation[0, Semantic.NOSE] = ((x - 0.1) ** 2 + (y + 0.2) ** 2 < 0.2**2).float()
    found = part(segmentation, [Semantic.NOSE])
    torch.testing.assert_close(found.centre[0], torch.tensor([0.1, -0.2]), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.covariance[0], torch.tensor([0.01, 0.01, 0.0]), rtol=0, atol=2e-4)  # r² / 4


def test_frame_is_the_eyes_distance_and_slope():
    head = frame(part(drawn(turn=12), [Semantic.EYES]))
    assert float(head.unit[0]) == pytest.approx(0.24, rel=0.03)  # a little more: eyes have a width
    assert math.degrees(math.atan2(float(head.sine[0]), float(head.cosine[0]))) == pytest.approx(12, abs=0.2)


def test_roll_is_read_and_does_not_leak():
    upright, turned = read(pose(), drawn()), read(pose(), drawn(turn=9))
    assert turned[2] == pytest.approx(9, abs=0.4)
    assert turned[:2] == pytest.approx(upright[:2], abs=0.3)


def test_a_mirrored_face_has_the_opposite_yaw():
    segmentation = drawn(yaw=0.03)
    yaw, pitch, _ = read(pose(), segmentation)
    mirrored = read(pose(), segmentation.flip(-1))
    assert yaw > 2
    assert mirrored[:2] == pytest.approx([-yaw, pitch], abs=1e-3)


def test_an_encoder_reads_what_it_is_asked_for():
    yaw, _, roll = read(pose(), drawn(yaw=0.02))
    some = SegmentationPose(yaw=[20.0, 5.0, -30.0], pitch=[0.0] * 4, ranges={"roll": UNIT, "yaw": UNIT})
    assert [q.name for q in some.quantities] == ["yaw", "roll"]
    assert read(some, drawn(yaw=0.02)) == pytest.approx([yaw, roll])


def test_pose_takes_as_many_weights_as_parts():
    with pytest.raises(VeraError, match="pose"):
        SegmentationPose(yaw=[1.0], pitch=[1.0] * 4, ranges=POSE)


def test_expression_is_the_ellipses_size_whatever_the_head_does():
    encoder = SegmentationExpression(ranges=EXPRESSION)
    rest, smile = read(encoder, drawn()), read(encoder, drawn(mouth=(0.13, 0.05)))
    # An ellipse of half axes a and b has standard deviations a/2 and b/2: four of them are its whole width and height.
    assert rest[:2] == pytest.approx([0.06 / 0.24, 0.20 / 0.24], rel=0.1)
    assert smile[0] / rest[0] == pytest.approx(5 / 3, rel=0.05)
    assert smile[1] / rest[1] == pytest.approx(1.3, rel=0.05)
    assert smile[2:] == pytest.approx(rest[2:], abs=1e-3)
    assert read(encoder, drawn(turn=10)) == pytest.approx(rest, rel=0.1)
    assert read(encoder, drawn(eye=0.03))[2] > 1.3 * rest[2]


@pytest.mark.parametrize("tone", [0.2, 0.7])
def test_light_is_the_slope_of_the_shading_whatever_the_skin(tone):
    segmentation = drawn()
    axis = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    unit = float(frame(part(segmentation, [Semantic.EYES])).unit[0])
    shading = 1 + 0.4 * axis[None, :] / unit * 0.5 - 0.1 * axis[:, None] / unit
    image = (2 * tone * shading - 1).expand(1, 3, SIZE, SIZE)
    right, below, across, diagonal = read(SkinShading(ranges=LIGHT), segmentation, image)
    assert right == pytest.approx(0.2, rel=0.1)
    assert below == pytest.approx(-0.1, rel=0.1)
    assert [across, diagonal] == pytest.approx([0, 0], abs=0.02)


def test_light_comes_from_skin_alone():
    segmentation = drawn()
    image = torch.where(segmentation[:, [Semantic.SKIN]] > 0.5, 0.2, torch.randn(1, 3, SIZE, SIZE))
    assert read(SkinShading(ranges=LIGHT), (segmentation > 0.5).float(), image) == pytest.approx([0, 0, 0, 0], abs=5e-3)


ENCODERS = [pose(), SegmentationExpression(ranges=EXPRESSION), SkinShading(ranges=LIGHT)]


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_readings_are_differentiable_and_finite_on_nonsense(encoder):
    for segmentation in (drawn(), torch.full((1, NUM_CLASSES, SIZE, SIZE), 1 / NUM_CLASSES), torch.zeros(1, NUM_CLASSES, SIZE, SIZE)):
        image, maps = torch.rand(1, 3, SIZE, SIZE).requires_grad_(), segmentation.clone().requires_grad_()
        values = encoder(image, maps)
        assert values.shape == (1, encoder.width)
        values.sum().backward()
        gradients = [g for g in (image.grad, maps.grad) if g is not None]
        assert gradients
        assert torch.isfinite(values).all()
        assert all(torch.isfinite(g).all() for g in gradients)
    inputs = [image, drawn().requires_grad_()]
    gradients = torch.autograd.grad(encoder(*inputs).sum(), inputs, allow_unused=True)
    assert any(g.any() for g in gradients if g is not None)


def test_readings_hardly_depend_on_the_size():
    large = drawn(yaw=0.02)
    small = F.interpolate(large, (48, 48), mode="area")
    for encoder in (pose(), SegmentationExpression(ranges=EXPRESSION)):
        assert read(encoder, small) == pytest.approx(read(encoder, large), rel=0.1, abs=0.3)
