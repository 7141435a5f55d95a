"""A picture of a face's named regions, numbered and with a legend, for whoever chooses what to preserve."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vera.anonymization.placement import eye_distance
from vera.anonymization.preservation import RegionMasks
from vera.faces.region_choice import NAMES, Region
from vera.types import AlignedFace, Mask, Photograph, Pixels, VeraError

SIDE = 1400
"""DECISION: height of the picture: numbers do not cover the regions, and it fits on a screen."""
LEGEND = 520
"""Width of the legend."""
TINT = 0.3
"""Share of a region's colour inside its outline."""
UNITED = ("cheeks",)
"""Regions that are others together: listed, not drawn."""


class Preview:
    """The named regions of one face.

    Args:
        photograph: photograph that shows the face.
        face: the aligned face in it.
        parsed: ``(K, S', S')`` class probabilities.

    Attributes:
        masks: ``(H, W)`` of each name of :data:`vera.faces.region_choice.NAMES`, in its order; None where it is not there.
        missing: why a region is not there.
        unit: eye distance in pixels.
        regions: gives further regions, such as whole classes.

    """

    def __init__(self, photograph: Photograph, face: AlignedFace, parsed: Tensor) -> None:
        self.photograph, self.unit = photograph, eye_distance(face)
        self.regions = RegionMasks(photograph, face, parsed)
        self.window = self.regions.window
        self.masks: dict[str, Mask | None] = {}
        self.missing: dict[str, str] = {}
        for name in NAMES:
            try:
                self.masks[name] = self.regions.of(Region(name))
            except VeraError as error:
                self.masks[name], self.missing[name] = None, str(error)

    def drawn(self) -> Pixels:
        """The face's surroundings with outlines and numbers, and the legend beside them."""
        crop = self.photograph.pixels[self.window.slices]
        scale = SIDE / crop.shape[0]
        canvas = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        places: list[tuple[int, tuple[float, float]]] = []
        for number, (name, mask) in enumerate(self.masks.items(), 1):
            if mask is None or name in UNITED:
                continue
            inside = mask[self.window.slices].astype(np.uint8)
            large = cv2.resize(inside, canvas.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            colour = np.array(_colour(number))
            canvas[large > 0] = ((1 - TINT) * canvas[large > 0] + TINT * colour).astype(np.uint8)
            outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, outlines, -1, [int(c) for c in colour], 2)
            depth = cv2.distanceTransform(large, cv2.DIST_L2, 3)
            middle_row, middle_column = np.unravel_index(int(depth.argmax()), depth.shape)
            places.append((number, (float(middle_column), float(middle_row))))
        picture = Image.new("RGB", (canvas.shape[1] + LEGEND, canvas.shape[0]), "white")
        picture.paste(Image.fromarray(canvas))
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=24)
        for number, place in places:
            draw.text(place, str(number), fill="white", font=font, anchor="mm", stroke_width=3, stroke_fill="black")
        lines = [
            (f"{number:2}  {name}" + (" (not there)" if mask is None else ""), _colour(number) if mask is not None else (150, 150, 150))
            for number, (name, mask) in enumerate(self.masks.items(), 1)
        ]
        left = canvas.shape[1] + 24
        for row, (text, fill) in enumerate(lines):
            draw.rectangle((left, 30 + 44 * row, left + 24, 54 + 44 * row), fill=fill)
            draw.text((left + 40, 42 + 44 * row), text, fill="black", font=font, anchor="lm")
        low = 60 + 44 * len(lines)
        for row, text in enumerate(("Left and right are the patient's.", "It shows the patient: for the clinic only.")):
            draw.text((left, low + 36 * row), text, fill="black", font=font, anchor="lm")
        return np.asarray(picture)


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * 0.382 % 1, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
