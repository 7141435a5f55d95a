import numpy as np
import pytest
import torch

from vera.data.procedural import ProceduralFaces
from vera.data.sample import decode_images, decode_labels
from vera.evaluation.measures.controls import held_out
from vera.inversion.encoder import Encoder, geometry
from vera.types import LatentCodes, Semantic


@pytest.fixture
def faces():
    samples = [ProceduralFaces(size=32, count=3, seed=0)[n] for n in range(3)]
    return (
        decode_images(torch.stack([s["image"] for s in samples])),
        decode_labels(torch.stack([s["labels"] for s in samples])),
    )


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(size=32, latent=6, width=8, hidden=8, layout=4, attributes=0, pretrained=False).eval()


def test_geometry_of_a_rectangle():
    segmentation = torch.zeros(1, 13, 64, 64)
    segmentation[0, 4, 16:32, 32:64] = 1
    area, x, y, spread_x, spread_y, cross = geometry(segmentation)[0, 4].tolist()
    assert area == pytest.approx((0.25 * 0.5) ** 0.5)
    assert (x, y) == pytest.approx((0.5, -0.25), abs=0.02)
    assert (spread_x, spread_y) == pytest.approx((1 / 12**0.5, 0.5 / 12**0.5), abs=0.02)
    assert cross == pytest.approx(0, abs=1e-3)
    assert geometry(segmentation)[0, 5].abs().max() < 2e-3  # an absent class


def test_base_codes_see_only_where_things_are(encoder, faces):
    images, segmentations = faces
    a, b = encoder(images, segmentations), encoder(-images, segmentations)
    assert torch.equal(a.local[:, :2], b.local[:, :2])
    assert not torch.equal(a.local[:, 2:], b.local[:, 2:])


def test_absent_classes_get_the_learned_code(encoder, faces):
    torch.nn.init.normal_(encoder.absent)
    codes = encoder(*faces).local
    expected = encoder.absent[Semantic.HAT].view(2, 6).expand(3, -1, -1)
    torch.testing.assert_close(codes[:, 2 + 2 * Semantic.HAT : 4 + 2 * Semantic.HAT], expected)


def test_a_class_that_training_never_showed_is_taken_for_absent(encoder, faces):
    images, segmentations = faces
    torch.nn.init.normal_(encoder.absent)
    worn = segmentations.clone()
    worn[:, :, 12:16] = 0
    nothing = worn.clone()
    worn[:, Semantic.GLASSES, 12:16] = 1
    shown = encoder(images, worn).local
    encoder.standardise.running_var.view(13, -1)[Semantic.GLASSES] = 1e-38  # as a variance ends that was zero in every batch
    codes = encoder(images, worn).local
    assert torch.equal(codes, encoder(images, nothing).local)
    expected = encoder.absent[Semantic.GLASSES].view(2, 6).expand(3, -1, -1)
    torch.testing.assert_close(codes[:, 2 + 2 * Semantic.GLASSES : 4 + 2 * Semantic.GLASSES], expected)
    assert not torch.equal(shown, codes)


def test_photographs_do_not_see_each_other(encoder, faces):
    images, segmentations = faces
    together = encoder(images, segmentations).local
    alone = encoder(images[1:2], segmentations[1:2]).local
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_attribute_codes_say_from_which_side_the_light_comes_and_how_wide_a_mouth_is():
    torch.manual_seed(0)
    encoder = Encoder(size=32, latent=6, width=8, hidden=8, layout=4, attributes=48, pretrained=True)
    drawn = ProceduralFaces(size=32, count=300, seed=0)
    images = decode_images(torch.stack([drawn[n]["image"] for n in range(300)]))
    segmentations = decode_labels(torch.stack([drawn[n]["labels"] for n in range(300)]))
    with torch.no_grad():
        encoder.begin(LatentCodes(torch.randn(300, 28, 6), torch.randn(300, 48)), [(images, segmentations)])
        codes = encoder.eval()(images, segmentations).attributes
    truth = np.array([[getattr(drawn.attributes(n), name) for name in ("yaw", "smile", "light")] for n in range(300)])
    explained = held_out(codes.double().numpy(), truth)
    assert explained.min() > 0.4, explained  # of an untrained encoder; means over the image say 0.33, 0.00 and 0.19
