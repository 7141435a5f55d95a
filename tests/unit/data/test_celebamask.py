import numpy as np
import pytest
import torch
from PIL import Image

from vera.data.celebamask import CelebAMaskHQ
from vera.types import Semantic, VeraError

PUBLISHED = {
    **{"skin": 1, "eye_g": 10, "l_eye": 2, "r_eye": 2, "l_brow": 3, "r_brow": 3, "mouth": 4, "l_lip": 4, "u_lip": 4, "nose": 5},
    **{"hair": 7, "l_ear": 6, "r_ear": 6, "neck": 8, "neck_l": 8, "cloth": 9, "hat": 11, "ear_r": 12},
}


def draw(root, number, parts, side=32):
    """Parts: name to (rows, columns) of the mask."""
    image = np.random.default_rng(number).integers(0, 256, (2 * side, 2 * side, 3), np.uint8)
    Image.fromarray(image).save(root / "CelebA-HQ-img" / f"{number}.jpg")
    folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
    folder.mkdir(exist_ok=True)
    for part, (rows, columns) in parts.items():
        mask = np.zeros((side, side, 3), np.uint8)  # the data set's masks have three equal channels
        mask[rows, columns] = 255
        Image.fromarray(mask).save(folder / f"{number:05d}_{part}.png")


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "CelebA-HQ-img").mkdir()
    (tmp_path / "CelebAMask-HQ-mask-anno").mkdir()
    everything = slice(None)
    for number in (0, 2, 10, 27999):
        draw(tmp_path, number, {"skin": (everything, everything)})
    draw(tmp_path, 28000, {"hair": (everything, everything)})
    return tmp_path


def open_raw(root, **changes):
    return CelebAMaskHQ(**{"root": root, "size": 32, "split": "train", **changes})


def test_the_first_28000_are_for_training(raw):
    assert open_raw(raw).numbers == [0, 2, 10, 27999]  # in the order of the numbers, not of the names
    held_out = open_raw(raw, split="held_out")
    assert held_out.numbers == [28000]
    assert held_out[0]["labels"].unique().tolist() == [Semantic.HAIR]


def test_later_parts_are_painted_over_earlier_ones(raw):
    # Column c belongs to parts 0 ... c: the last one painted must win.
    draw(raw, 2001, {part: (slice(None), slice(c, None)) for c, part in enumerate(PUBLISHED)})
    data = open_raw(raw)
    labels = data[data.numbers.index(2001)]["labels"]
    assert labels[0, : len(PUBLISHED)].tolist() == list(PUBLISHED.values())
    assert torch.equal(labels, labels[:1].expand(32, 32))


def test_missing_parts_are_absent_and_the_rest_is_background(raw):
    draw(raw, 5, {"nose": (slice(8, 16), slice(8, 16)), "cloth": (slice(0, 0), slice(0, 0))})
    data = open_raw(raw, size=16)
    labels = data[data.numbers.index(5)]["labels"]
    expected = torch.zeros(16, 16, dtype=torch.uint8)
    expected[4:8, 4:8] = Semantic.NOSE
    assert torch.equal(labels, expected)


def test_images_are_resized_by_lanczos_to_the_asked_size(raw):
    image = open_raw(raw)[0]["image"]
    expected = Image.open(raw / "CelebA-HQ-img" / "0.jpg").resize((32, 32), Image.Resampling.LANCZOS)
    assert torch.equal(image.permute(1, 2, 0), torch.from_numpy(np.array(expected)))


def test_what_is_wrong_with_the_layout(raw, tmp_path):
    with pytest.raises(VeraError, match="no folder"):
        open_raw(tmp_path / "elsewhere")
    with pytest.raises(VeraError, match="choose from train, held_out"):
        open_raw(raw, split="val")
    (raw / "CelebA-HQ-img" / "28000.jpg").unlink()
    with pytest.raises(VeraError, match="28000 <= N < 30000"):
        open_raw(raw, split="held_out")


def test_an_image_without_any_mask_is_an_error(raw):
    file = raw / "CelebAMask-HQ-mask-anno" / "0" / "00010_skin.png"
    data = open_raw(raw)
    file.rename(raw / "CelebAMask-HQ-mask-anno" / "13" / file.name)  # another image's folder
    with pytest.raises(VeraError, match=r"1 images have no mask file at all .* 10\.jpg"):
        open_raw(raw)
    with pytest.raises(VeraError, match=r"10\.jpg has no mask file at all"):
        data[2]


@pytest.mark.parametrize("mask", [np.ones((32, 32), np.uint8), np.zeros((16, 16), np.uint8)])
def test_masks_of_another_kind_are_refused(raw, mask):
    Image.fromarray(mask).save(raw / "CelebAMask-HQ-mask-anno" / "0" / "00000_nose.png")
    with pytest.raises(VeraError, match="mask of 0 and 255"):
        open_raw(raw)[0]


def test_damaged_masks_are_refused(raw):
    (raw / "CelebAMask-HQ-mask-anno" / "0" / "00000_nose.png").write_bytes(b"no image")
    with pytest.raises(VeraError, match=r"cannot read .*00000_nose\.png"):
        open_raw(raw)[0]
