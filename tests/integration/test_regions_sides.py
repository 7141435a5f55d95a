"""Left stays the patient's left on a real face, with the real detector and parser, however the file is stored."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut
from tests.unit.cli.test_regions import STORED

from vera.cli.regions import preview
from vera.faces.region_choice import NAMES

PAIRS = [name.removeprefix("left_") for name in NAMES if name.startswith("left_")]


@pytest.mark.slow
def test_no_mirrored_or_turned_file_swaps_left_and_right(tmp_path):
    shown = {}
    for orientation, store in STORED.items():
        path = tmp_path / f"{orientation}.png"
        image = Image.fromarray(np.ascontiguousarray(store(astronaut())))
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)
        shown[orientation] = preview(path, None, None).masks
    upright = shown[1]
    for part in PAIRS:
        left, right = upright[f"left_{part}"], upright[f"right_{part}"]
        if left is not None and right is not None:
            assert np.nonzero(left)[1].mean() > np.nonzero(right)[1].mean(), f"the patient's left {part} is on the right of the picture"
    assert sum(upright[f"{side}_eye"] is not None for side in ("left", "right")) == 2
    for orientation, masks in shown.items():
        for name, mask in masks.items():
            np.testing.assert_array_equal(mask, upright[name], err_msg=f"{name} under orientation {orientation}")
