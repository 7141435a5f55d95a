import pytest
import torch

from vera.anonymization.proportions import LIMIT, NAMES, draw_proportions, reshape
from vera.data.procedural import ProceduralFaces
from vera.data.sample import decode_images, decode_labels
from vera.types import Semantic


@pytest.fixture
def face():
    sample = ProceduralFaces(size=128, count=1, seed=0)[0]
    return decode_images(sample["image"][None])[0], decode_labels(sample["labels"][None])[0]


def centre(segmentation, kind, side=None):
    """Mean column and row of a class, in pixels."""
    weight = segmentation[kind].clone()
    if side is not None:
        weight[:, 64:] *= side > 0
        weight[:, :64] *= side < 0
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    return (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()


def only(name, value=2.0):
    proportions = torch.zeros(len(NAMES))
    proportions[NAMES.index(name)] = value
    return proportions


EVERYWHERE = torch.ones(1, 128, 128)


def test_no_proportions_change_nothing(face):
    image, segmentation = reshape(*face, torch.zeros(len(NAMES)), EVERYWHERE)
    torch.testing.assert_close(image, face[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(segmentation, face[1], atol=1e-4, rtol=0)


def test_features_go_where_their_names_say(face):
    before = face[1]

    def after(name):
        return reshape(*face, only(name), EVERYWHERE)[1]

    wide = after("eye distance")
    assert centre(wide, Semantic.EYES, 1)[0] - centre(wide, Semantic.EYES, -1)[0] > (
        centre(before, Semantic.EYES, 1)[0] - centre(before, Semantic.EYES, -1)[0] + 1
    )
    assert centre(after("eye height"), Semantic.EYES)[1] < centre(before, Semantic.EYES)[1] - 0.5
    assert centre(after("brow height"), Semantic.BROWS)[1] < centre(before, Semantic.BROWS)[1] - 0.5
    assert centre(after("nose length"), Semantic.NOSE)[1] > centre(before, Semantic.NOSE)[1] + 0.5
    assert after("eye size")[Semantic.EYES].sum() > 1.05 * before[Semantic.EYES].sum()
    assert after("nose width")[Semantic.NOSE].sum() > 1.05 * before[Semantic.NOSE].sum()


def test_nothing_moves_where_something_is_kept(face):
    replaced = EVERYWHERE.clone()
    replaced[:, 70:] = 0
    image, _ = reshape(*face, torch.full((len(NAMES),), LIMIT), replaced)
    torch.testing.assert_close(image[:, 70:], face[0][:, 70:], atol=1e-4, rtol=0)
    assert (image[:, :60] - face[0][:, :60]).abs().max() > 0.1


def test_probabilities_stay_probabilities_and_a_faceless_image_is_left(face):
    _, segmentation = reshape(*face, torch.full((len(NAMES),), LIMIT), EVERYWHERE)
    torch.testing.assert_close(segmentation.sum(0), torch.ones(128, 128))
    assert segmentation.min() >= 0
    nothing = torch.zeros_like(face[1])
    nothing[Semantic.BACKGROUND] = 1
    assert torch.equal(reshape(face[0], nothing, only("chin height"), EVERYWHERE)[0], face[0])


def test_draws_are_repeatable_various_and_limited():
    draws = torch.stack([draw_proportions(torch.Generator().manual_seed(seed)) for seed in range(300)])
    assert torch.equal(draws[7], draw_proportions(torch.Generator().manual_seed(7)))
    assert draws.abs().max() <= LIMIT
    assert draws.std(dim=0).min() > 0.8
