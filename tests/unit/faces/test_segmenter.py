"""The parser's network and what it is trained with."""

import math

import pytest
import torch

from vera import bundle
from vera.faces.parsing_objective import ParsingObjective, ParsingWeights, balanced_entropy, soft_dice
from vera.faces.segmenter import Segmenter
from vera.types import NUM_CLASSES, VeraError

TINY = {"size": 32, "context": 8, "depth": 1, "channels": [8, 8, 8]}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Segmenter(**TINY, pretrained=False).eval()


def one_hot(labels):
    return torch.nn.functional.one_hot(labels, NUM_CLASSES).permute(0, 3, 1, 2).float()


def test_logits_have_the_images_size_whatever_multiple_of_16(network):
    for side in (32, 48, 80):
        assert network(torch.zeros(1, 3, side, side)).shape == (1, NUM_CLASSES, side, side)
    assert network(torch.zeros(1, 3, 32, 48)).shape == (1, NUM_CLASSES, 32, 48)
    with pytest.raises(VeraError, match="multiples of 16"):
        network(torch.zeros(1, 3, 40, 40))


def test_a_batch_is_parsed_as_one_by_one_in_training_too(network):
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    network.train()
    together = network(images)
    assert torch.allclose(together, torch.cat([network(image[None]) for image in images]), atol=1e-5)
    network.eval()
    assert torch.equal(network(images), together)  # no mode changes anything


def test_all_is_trained_but_the_statistics(network):
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.requires_grad and p.grad is not None for p in network.parameters())
    assert any("running_mean" in name for name, _ in network.named_buffers())


def test_a_bundle_needs_no_packaged_weights(tmp_path, network, monkeypatch):
    bundle.save(tmp_path / "b", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    monkeypatch.setattr("vera.features.efficientnet.weights_path", lambda: pytest.fail("asked for the packaged weights"))
    again = bundle.load(tmp_path / "b")
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(again(images), network(images))


def test_the_shipped_size_is_small():
    with torch.device("meta"):
        shipped = Segmenter(size=256, context=160, depth=3, channels=[64, 48, 32], pretrained=False)
    assert 2 * sum(t.numel() for t in shipped.state_dict().values()) <= 4e6  # bytes in bfloat16


def test_widths_that_cannot_be_grouped_are_refused():
    with pytest.raises(VeraError, match="multiples of 8"):
        Segmenter(size=32, context=12, depth=1, channels=[8, 8, 8], pretrained=False)


def test_dice_of_known_maps():
    """Two classes, each half of the image: p = 1/2 overlaps by 2·(1/2·1/2)/(1/2+1/2) = 1/2; the truth wholly; the contrary not."""
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[:, 2:] = 1
    truth = one_hot(labels)
    assert float(soft_dice(truth, truth)) == pytest.approx(0.0, abs=1e-6)
    assert float(soft_dice(one_hot(1 - labels), truth)) == pytest.approx(1.0)
    half = torch.zeros_like(truth)
    half[:, :2] = 0.5
    assert float(soft_dice(half, truth)) == pytest.approx(0.5)


def test_classes_that_an_image_lacks_have_no_part_in_its_overlap():
    truth = one_hot(torch.zeros(1, 4, 4, dtype=torch.long))
    mixed = 0.75 * truth + 0.25 * truth.roll(5, dims=1)
    assert float(soft_dice(mixed, truth)) == pytest.approx(1 - 2 * 0.75 / 1.75)


def test_uniform_logits_cost_the_logarithm_of_the_classes_whatever_the_balance():
    labels = torch.randint(0, 10, (2, 8, 8))
    for balance in (0.0, 0.3, 1.0):
        entropy = balanced_entropy(torch.zeros(2, NUM_CLASSES, 8, 8), one_hot(labels), balance)
        assert torch.allclose(entropy, torch.tensor(math.log(NUM_CLASSES)))


def test_balance_lets_a_small_class_be_heard():
    """One pixel of 16 is of another class and wrong: it weighs a sixteenth at balance 0 and a half at balance 1."""
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 0, 0] = 4
    logits = torch.zeros(1, NUM_CLASSES, 4, 4)
    logits[:, 0] = 50.0  # certain of class 0 everywhere: an entropy of 50 at the one pixel, 0 elsewhere
    for balance, weight in ((0.0, 1 / 16), (1.0, 1 / 2)):
        assert float(balanced_entropy(logits, one_hot(labels), balance)) == pytest.approx(50 * weight, rel=1e-4)


def test_the_objective_adds_its_terms_image_by_image():
    logits, labels = torch.randn(3, NUM_CLASSES, 8, 8), torch.randint(0, 10, (3, 8, 8))
    objective = ParsingObjective(weights=ParsingWeights(entropy=2.0, overlap=0.5), balance=0.3)
    losses, terms = objective(logits, labels)
    assert torch.allclose(losses, 2 * terms["entropy"] + 0.5 * terms["overlap"])
    assert torch.allclose(losses[1:2], objective(logits[1:2], labels[1:2])[0])
    assert torch.allclose(terms["entropy"][0], balanced_entropy(logits[:1], one_hot(labels[:1]), 0.3)[0])
    with pytest.raises(VeraError, match="balance"):
        ParsingObjective(weights=ParsingWeights(entropy=1.0, overlap=1.0), balance=2.0)
