import math

import pytest
import torch
import torch.nn.functional as F

from vera.generator.augmentation import BLIT, COLOUR, GEOMETRY, Augmentation, warp
from vera.types import VeraError

ALL = (*BLIT, *GEOMETRY, *COLOUR)
# Where each operation's numbers stand: the gate, then its values.
COLUMN = {"flip": 0, "quarter_turn": 2, "translation": 4, "scale": 7, "stretch": 11, "shift": 15, "brightness": 18, "contrast": 20,
          "luma_flip": 22, "hue": 24, "saturation": 26}  # fmt: skip


def draws(batch, seed=0):
    return torch.rand(batch, Augmentation.numbers, generator=torch.Generator().manual_seed(seed))


def only(operation, *values):
    """Numbers that apply one operation, with these values, at strength 0.5."""
    numbers = torch.full((1, Augmentation.numbers), 0.9)
    numbers[0, COLUMN[operation]] = 0.1
    for n, value in enumerate(values, start=1):
        numbers[0, COLUMN[operation] + n] = value
    return numbers


def pair(batch=2, side=16, classes=5):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 3, side, side, generator=generator), torch.randn(batch, classes, side, side, generator=generator)


def affine(matrix):
    return torch.tensor([[*matrix[0]], [*matrix[1]], [0, 0, 1]], dtype=torch.float64)[None]


def test_strength_zero_is_the_identity_bit_for_bit():
    images, segmentations = pair()
    got = Augmentation(operations=ALL)(images, segmentations, 0.0, draws(2))
    assert torch.equal(got[0], images)
    assert torch.equal(got[1], segmentations)


def test_unused_operations_do_nothing():
    images, segmentations = pair()
    got = Augmentation(operations=())(images, segmentations, 1.0, draws(2))
    assert torch.equal(got[0], images)
    assert torch.equal(got[1], segmentations)


@pytest.mark.parametrize(
    ("operation", "values", "expected"),
    [
        ("flip", [0.7], lambda x: x.flip(-1)),
        ("flip", [0.3], lambda x: x),
        ("quarter_turn", [0.6], lambda x: x.flip(-1, -2)),
        ("quarter_turn", [0.3], lambda x: x.rot90(-1, (-2, -1))),
        ("translation", [1 - 1e-6, 0.5], lambda x: F.pad(x, (2, 0, 0, 0), mode="reflect")[..., :16]),
        ("translation", [0.5, 1e-6], lambda x: F.pad(x, (0, 0, 0, 2), mode="reflect")[..., 2:, :]),
    ],
)
def test_whole_pixels_move_exactly(operation, values, expected):
    images, segmentations = pair(1)
    got, _ = Augmentation(operations=ALL)(images, segmentations, 0.5, only(operation, *values))
    assert torch.equal(got, expected(images))


def test_image_and_segmentation_move_together():
    axis = torch.linspace(-1, 1, 32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    images = torch.stack([x, y, x * y]).expand(16, 3, 32, 32)
    segmentations = torch.stack([x, x, y, x * y, torch.ones_like(x)]).expand(16, 5, 32, 32)  # class 4 is -1 outside
    got, labels = Augmentation(operations=(*BLIT, *GEOMETRY))(images, segmentations, 1.0, draws(16))
    inside = labels[:, 4:] > 0.999
    assert 0.2 < inside.float().mean() < 0.95
    assert (got - images).abs().mean() > 0.1
    torch.testing.assert_close(torch.where(inside, labels[:, 1:4], 0), torch.where(inside, got, 0), rtol=0, atol=2e-3)


def test_what_comes_from_outside_is_background_and_mirrored_image():
    images, segmentations = pair(1)
    got, labels = warp(images, segmentations, affine([[1, 0, -3], [0, 1, 0]]))  # three pixels to the right
    assert torch.equal(got, F.pad(images, (3, 0, 0, 0), mode="reflect")[..., :16])
    assert torch.equal(labels[..., 3:], segmentations[..., :-3])
    assert torch.equal(labels[:, 0, :, :3], torch.ones(1, 16, 3))
    assert torch.equal(labels[:, 1:, :, :3], -torch.ones(1, 4, 16, 3))


def test_sampling_against_a_plain_loop():
    images, segmentations = (t.double() for t in pair(1, 6, 2))
    inverse = affine([[0.9, -0.7, 1.3], [0.4, 1.2, -2.1]])
    got, labels = warp(images, segmentations, inverse)

    def mirrored(i):
        while not 0 <= i < 6:
            i = -i if i < 0 else 10 - i
        return i

    for row in range(6):
        for column in range(6):
            x, y, _ = (inverse[0] @ torch.tensor([column - 2.5, row - 2.5, 1.0], dtype=torch.float64) + 2.5).tolist()
            pixel, classes = torch.zeros(3, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    weight = (1 - abs(y - i)) * (1 - abs(x - j))
                    pixel += weight * images[0, :, mirrored(i), mirrored(j)]
                    inside = 0 <= i < 6 and 0 <= j < 6
                    classes += weight * (segmentations[0, :, i, j] if inside else torch.tensor([1.0, -1.0], dtype=torch.float64))
            torch.testing.assert_close(got[0, :, row, column], pixel)
            torch.testing.assert_close(labels[0, :, row, column], classes)


def test_a_scale_above_one_enlarges_and_a_stretch_keeps_the_area():
    images, segmentations = torch.zeros(1, 3, 64, 64), torch.full((1, 5, 64, 64), -1.0)
    segmentations[:, 1, 24:40, 24:40] = 1.0
    augment = Augmentation(operations=("scale", "stretch"))

    def extent(numbers):
        p = (augment(images, segmentations, 0.5, numbers)[1][0, 1] + 1) / 2
        return p.sum().item(), p.sum(dim=0).max().item(), p.sum(dim=1).max().item()

    one_deviation = 0.8413447  # the normal distribution's value at 1
    assert extent(only("scale", one_deviation)) == pytest.approx((256 * 2**0.4, 16 * 2**0.2, 16 * 2**0.2), rel=0.01)
    assert extent(only("stretch", one_deviation)) == pytest.approx((256, 16 * 2**-0.2, 16 * 2**0.2), rel=0.01)


def test_samples_are_independent():
    images, segmentations = pair(4)
    augment, numbers = Augmentation(operations=ALL), draws(4)
    together = augment(images, segmentations, 0.8, numbers)
    for n in range(4):
        alone = augment(images[n : n + 1], segmentations[n : n + 1], 0.8, numbers[n : n + 1])
        assert torch.equal(alone[0][0], together[0][n])
        assert torch.equal(alone[1][0], together[1][n])


def test_strength_may_be_a_tensor():
    images, segmentations = pair(4)
    augment, numbers = Augmentation(operations=ALL), draws(4)
    for a, b in zip(augment(images, segmentations, 0.6, numbers), augment(images, segmentations, torch.tensor(0.6), numbers), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("operation", ["brightness", "hue", "scale", "rotation", "flip"])
def test_each_operation_has_the_strength_as_its_probability(operation):
    probability = 0.15 if operation == "flip" else 0.3  # where applied, every second one is flipped
    images, segmentations = pair(1, 4)
    images = images.expand(4000, 3, 4, 4)
    got, _ = Augmentation(operations=(operation,))(images, segmentations.expand(4000, 5, 4, 4), 0.3, draws(4000))
    changed = (got != images).flatten(1).any(dim=1).float().mean().item()
    assert changed == pytest.approx(probability, abs=0.03)  # four standard errors


def test_colour_changes_the_image_only_and_in_the_published_measure():
    images, segmentations = torch.full((4000, 3, 4, 4), 0.5), torch.randn(4000, 5, 4, 4)
    brighter, same = Augmentation(operations=("brightness",))(images, segmentations, 1.0, draws(4000))
    assert torch.equal(same, segmentations)
    assert (brighter - images).std().item() == pytest.approx(0.2, rel=0.1)
    contrast, _ = Augmentation(operations=("contrast",))(images, segmentations, 1.0, draws(4000))
    assert (contrast / images).log2().std().item() == pytest.approx(0.5, rel=0.1)


def test_hue_and_saturation_leave_grey_alone_and_turn_or_stretch_colour():
    grey, labels = torch.full((1, 3, 4, 4), 0.3), torch.zeros(1, 5, 4, 4)
    augment = Augmentation(operations=COLOUR)
    for operation in ("hue", "saturation"):
        torch.testing.assert_close(augment(grey, labels, 0.5, only(operation, 0.7))[0], grey)
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 4, 4)
    third, _ = augment(red, labels, 0.5, only("hue", 0.5 + 1 / 3))  # 120 degrees: red is green
    torch.testing.assert_close(third, red.roll(1, 1), rtol=0, atol=1e-6)
    doubled, _ = augment(red, labels, 0.5, only("saturation", 0.8413447))
    torch.testing.assert_close(doubled - 1 / 3, 2 * (red - 1 / 3), rtol=0, atol=1e-5)
    inverted, _ = augment(grey, labels, 0.5, only("luma_flip", 0.9))
    torch.testing.assert_close(inverted, -grey)


def test_gradients_to_second_order():
    images, segmentations = (t.double().requires_grad_() for t in pair(2, 3, 2))
    augment, numbers = Augmentation(operations=ALL), draws(2)

    def squares(*inputs):
        return tuple(t.square() for t in augment(*inputs, 1.0, numbers))

    assert torch.autograd.gradcheck(squares, (images, segmentations))
    assert torch.autograd.gradgradcheck(squares, (images, segmentations), fast_mode=True)


def test_extreme_numbers_give_finite_images():
    images, segmentations = pair(2)
    numbers = torch.stack([torch.zeros(Augmentation.numbers), torch.ones(Augmentation.numbers)])
    for result in Augmentation(operations=ALL)(images, segmentations, 1.0, numbers):
        assert result.isfinite().all()


def test_unknown_operations_and_too_few_numbers_are_refused():
    with pytest.raises(VeraError, match="cutout"):
        Augmentation(operations=("cutout",))
    with pytest.raises(VeraError, match="28"):
        Augmentation(operations=ALL)(*pair(), 0.5, torch.rand(2, 3))
