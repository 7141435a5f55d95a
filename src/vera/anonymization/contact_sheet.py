"""A contact sheet of one person's results: side by side, the preserved region outlined, a label under each."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vera.types import Anonymized, Mask, Pixels

TILE, COLUMNS, GAP, LINE = 480, 4, 16, 36
"""DECISION: longer side of a picture on the sheet, pictures in a row, and heights of gap and label, in pixels."""
OUTLINE = (255, 220, 0)
"""Colour of the outline; a dark line around it shows it on bright skin, too."""
LETTERS = 40
"""DECISION: letters of a label that are shown."""


def contact_sheet(results: Sequence[Anonymized], labels: Sequence[str]) -> Pixels:
    """Draw the sheet.

    Args:
        results: the anonymized photographs of one person, at least one.
        labels: text under each, such as its role.

    Returns:
        ``(H, W, 3)`` uint8; longer sides of pictures are at most :data:`TILE`.

    """
    tiles = [_tile(result) for result in results]
    columns = min(COLUMNS, len(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) + LINE + GAP for row in rows]
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), GAP + sum(heights)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=20)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * (TILE + GAP), GAP + sum(heights[:row])
        sheet.paste(tile, (left + (TILE - tile.width) // 2, top))
        shown = label if len(label) <= LETTERS else label[: LETTERS - 1] + "…"
        draw.text((left + TILE / 2, top + heights[row] - GAP - LINE / 2), shown, fill="black", font=font, anchor="mm")
    return np.asarray(sheet)


def _tile(result: Anonymized) -> Image.Image:
    """One picture at the sheet's size, with the outline of its preserved region."""
    height, width = result.preserved.shape
    scale = min(1.0, TILE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.asarray(cv2.resize(result.image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    inside = cv2.resize(result.preserved.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return Image.fromarray(outlined(pixels, inside, width=1))


def outlined(pixels: Pixels, mask: Mask, *, width: int) -> Pixels:
    """A picture with a mask's outline.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)``, True inside the outline.
        width: width of the line in pixels; the dark one under it is 2 pixels wider.

    """
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    dark = cv2.drawContours(pixels.copy(), outlines, -1, (0, 0, 0), width + 2)
    return np.asarray(cv2.drawContours(dark, outlines, -1, OUTLINE, width), dtype=np.uint8)
