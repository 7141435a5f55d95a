"""Light, backgrounds and small poses as data: pure functions of their numbers, image and labels together."""

import numpy as np
import pytest
import torch

from vera.data.augment import Augment
from vera.data.procedural import ProceduralFaces
from vera.data.stream import draws
from vera.types import Semantic, VeraError

NOTHING = {"temperature": 0, "exposure": 0, "shading": 0, "background": 0, "rotation": 0, "turn": 0}
FULL = {"temperature": 0.6, "exposure": 0.5, "shading": 0.8, "background": 1, "rotation": 12, "turn": 12}


@pytest.fixture
def face():
    return ProceduralFaces(size=64, count=1, seed=5)[0]


def augment(face, numbers=0.75, **changes):
    kept = {name: FULL[name] if value is True else value for name, value in changes.items()}
    made = Augment(probability=1.0, **{**NOTHING, **kept})
    row = np.full(made.numbers, numbers) if np.isscalar(numbers) else numbers
    return made(face, row)


def centroid(mask):
    rows, columns = mask.nonzero(as_tuple=True)
    return np.array([columns.double().mean().item(), rows.double().mean().item()])


def test_nothing_changes_nothing(face):
    for made in (augment(face), Augment(probability=0.0, **FULL)(face, np.full(Augment.numbers, 0.9))):
        assert torch.equal(made["image"], face["image"])
        assert torch.equal(made["labels"], face["labels"])


def test_a_sample_depends_on_its_numbers_alone(face):
    made = Augment(probability=0.7, **FULL)
    before = {name: value.clone() for name, value in face.items()}
    one, other, again = (made(face, draws(3, n, made.numbers)) for n in (10, 11, 10))
    assert torch.equal(one["image"], again["image"])
    assert torch.equal(one["labels"], again["labels"])
    assert not torch.equal(one["image"], other["image"])
    assert torch.equal(face["image"], before["image"])
    assert torch.equal(face["labels"], before["labels"])


def test_numbers_depend_on_seed_and_index_alone():
    assert np.array_equal(draws(1, 2, 5), draws(1, 2, 5))
    assert not np.array_equal(draws(1, 2, 5), draws(1, 3, 5))
    assert not np.array_equal(draws(1, 2, 5), draws(2, 2, 5))


def test_a_switched_off_change_does_not_shift_the_numbers_of_the_others(face):
    row = draws(0, 4, Augment.numbers)
    row[[0, 6, 10, 12, 14, 16]] = 0.0  # every change is made
    alone = augment(face, row, rotation=True)
    together = augment(face, row, rotation=True, shading=True, background=True, exposure=True)
    assert torch.equal(alone["labels"], together["labels"])


def test_temperature_trades_red_for_blue(face):
    warm, cold = augment(face, 0.999, temperature=True), augment(face, 0.001, temperature=True)
    red, blue = (lambda s: s["image"][0].float().mean()), (lambda s: s["image"][2].float().mean())
    assert red(warm) > red(face) > red(cold)
    assert blue(warm) < blue(face) < blue(cold)
    assert torch.equal(warm["image"][1], face["image"][1])


def test_exposure_doubles_the_light(face):
    grey = {"image": torch.full((3, 8, 8), 100, dtype=torch.uint8), "labels": torch.zeros(8, 8, dtype=torch.uint8)}
    brighter = augment(grey, 1 - 1e-9, exposure=1)
    assert brighter["image"].unique().tolist() == [round(100 * 2 ** (1 / 2.2))]


def test_the_lamp_shines_on_one_side_of_the_person_and_not_on_the_background(face):
    far = torch.from_numpy(np.array(face["labels"] == Semantic.BACKGROUND))
    numbers = np.full(Augment.numbers, 0.5)  # angle 0: from the right
    numbers[7] = 0.99
    lit = augment(face, numbers, shading=True)
    change = lit["image"].float().mean(0) - face["image"].float().mean(0)
    skin = face["labels"] == Semantic.SKIN
    columns = torch.arange(64).expand(64, 64)
    assert change[skin & (columns > 40)].mean() > 5
    assert change[skin & (columns < 24)].mean() < -5
    assert change[:4, :4].abs().max() <= 1
    assert far[:4, :4].all()
    assert torch.equal(lit["labels"], face["labels"])


def test_another_background_leaves_the_person(face):
    changed = augment(face, background=True)
    difference = (changed["image"].float() - face["image"].float()).abs().amax(0)
    behind = face["labels"] == Semantic.BACKGROUND
    inside = torch.nn.functional.max_pool2d(behind[None].float(), 7, 1, 3)[0] == 0
    assert difference[behind].mean() > 10
    assert difference[inside].max() <= 1


def test_without_background_or_face_there_is_nothing_to_light(face):
    bare = {"image": face["image"], "labels": torch.full_like(face["labels"], Semantic.HAIR)}
    assert torch.equal(augment(bare, shading=True, background=True)["image"], face["image"])


@pytest.mark.parametrize("change", ["rotation", "turn"])
def test_image_and_labels_move_together(face, change):
    moved = augment(face, 0.999, **{change: True})
    assert not torch.equal(moved["labels"], face["labels"])
    colour = face["image"][:, face["labels"] == Semantic.EYES].float().median(1).values
    near = (moved["image"].float() - colour[:, None, None]).norm(dim=0) < 30
    eyes = moved["labels"] == Semantic.EYES
    assert (near & eyes).sum() / eyes.sum() > 0.6


def test_a_rotation_turns_about_the_centre(face):
    moved = augment(face, 1 - 1e-9, rotation=10)
    angle = np.deg2rad(10)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for part in (Semantic.MOUTH, Semantic.NOSE):
        expected = turn @ (centroid(face["labels"] == part) - 31.5) + 31.5
        assert np.allclose(centroid(moved["labels"] == part), expected, atol=0.8)


def test_a_turned_camera_foreshortens_one_side(face):
    side = {"image": face["image"], "labels": torch.zeros_like(face["labels"])}
    side["labels"][16:48, 4:8] = 1
    side["labels"][16:48, 56:60] = 2
    moved = Augment(probability=1.0, **{**NOTHING, "turn": 30})(side, np.array([*[0.5] * 17, 0.9, 0.5]))
    left, right = ((moved["labels"] == n).nonzero()[:, 0] for n in (1, 2))
    assert abs(len(left.unique()) - len(right.unique())) >= 3


@pytest.mark.parametrize(("name", "value"), [("probability", 1.5), ("rotation", 90), ("shading", -0.1)])
def test_ranges_are_checked(name, value):
    with pytest.raises(VeraError, match=name):
        Augment(**{"probability": 0.5, **NOTHING, name: value})


def test_the_number_of_draws_is_checked(face):
    with pytest.raises(VeraError, match="19"):
        Augment(probability=0.5, **NOTHING)(face, np.zeros(3))
