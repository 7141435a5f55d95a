"""Colours of the semantic classes."""

import numpy as np
import torch
from skimage.color import rgb2lab

from vera.ops.palette import PALETTE, colourise
from vera.types import NUM_CLASSES


def test_every_class_has_a_colour_that_cannot_be_taken_for_another():
    lab = rgb2lab(np.array(PALETTE, dtype=np.float64)[None] / 255)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(NUM_CLASSES, 1)]
    assert len(PALETTE) == NUM_CLASSES
    assert apart.min() > 30  # about ten times a just noticeable difference


def test_colourise_looks_each_pixel_up():
    for dtype in (torch.uint8, torch.int64):
        labels = torch.randint(0, NUM_CLASSES, (2, 3, 5), dtype=dtype)
        colours = colourise(labels)
        assert colours.shape == (2, 3, 3, 5)
        assert tuple(colours[1, :, 2, 4].tolist()) == PALETTE[int(labels[1, 2, 4])]
