"""Render a recipe: the mosaic's image, segmentation and points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vera.mosaic.bank import Bank
from vera.mosaic.colour import harmonised, recoloured, to_lab, to_rgb
from vera.mosaic.masks import Labels, valid, with_features
from vera.mosaic.partners import Recipe
from vera.mosaic.shapes import donor_face, faces, target
from vera.mosaic.sources import Source, flipped
from vera.mosaic.surround import face_mask, joined
from vera.mosaic.textures import Skin, averaged, core, detailed, with_forehead, with_openings
from vera.mosaic.warping import Floats, Target, resample
from vera.types import FACE_SKIN, Pixels, Points, Semantic

ENOUGH = 0.008
"""DECISION: share of the crop in which everybody must show skin for their tones to be compared there."""
WHITES = (0.8, 1.25)
"""DECISION: most that the whites of eyes and teeth become darker or lighter with the skin."""


@dataclass(frozen=True)
class Portrait:
    """One mosaic.

    Attributes:
        image: ``(S, S, 3)`` RGB.
        labels: ``(S, S)`` class numbers.
        points: ``(105, 2)`` in units of the side.

    """

    image: Pixels
    labels: Labels
    points: Points


def portrait(bank: Bank, recipe: Recipe, role: int, size: int) -> Portrait:
    """Make the photograph of one identity in one role.

    Args:
        bank: all prepared people together.
        recipe: recipe of the identity, from :func:`vera.mosaic.partners.draw`.
        role: number of the role; 0 is the resting face.
        size: side S of the image in pixels.

    """
    mesh = Target(target(bank, recipe, role), bank.triangles, size)
    own = _everybody(bank, recipe, role, mesh)
    labs, labels = [to_lab(image) for image, _ in own], [label for _, label in own]
    valids = [valid(label) for label in labels]
    shared = core(mesh, valids)
    enough = shared.sum() > ENOUGH * size**2
    people = (*recipe.people, recipe.donor)
    tones = [np.median(lab[shared], axis=0) if enough else bank.tone[p] for lab, p in zip(labs, people, strict=True)]
    skins = [_skin(lab, tone, tones[-1], okay) for lab, tone, okay in zip(labs[:-1], tones[:-1], valids[:-1], strict=True)]
    surround = own[-1][0]
    mix = averaged(skins, recipe.whole, size / 256)
    bare = shared & np.all([np.isin(label, FACE_SKIN) for label in labels], axis=0)
    shift = harmonised(to_lab(mix), labs[-1], bare) - to_lab(mix)
    face = to_rgb(to_lab(detailed(mix, skins, recipe.parts, mesh)) + shift)
    face = with_forehead(face, surround, valids[-1], mesh)
    face = with_openings(face, skins, recipe.parts, mesh, resting=role == 0)
    image = joined(face, surround, face_mask(mesh, valids[-1]))
    brow = labels[recipe.parts["brows"]] == Semantic.BROWS
    return Portrait(image.clip(0, 255).round().astype(np.uint8), with_features(labels[-1], mesh.points, brow), mesh.points)


def _skin(lab: Floats, tone: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating], okay: Floats) -> Skin:
    """One person in the donor's tone, and only in its lightness."""
    plain = lab * np.array([np.clip(wanted[0] / max(tone[0], 1), *WHITES), 1, 1], np.float32)
    return Skin(to_rgb(recoloured(lab, tone, wanted)), plain, okay)


def _everybody(bank: Bank, recipe: Recipe, role: int, mesh: Target) -> list[tuple[Floats, Labels]]:
    """The k people and the donor on the mosaic's mesh: images and labels."""
    people, turned = (*recipe.people, recipe.donor), (*recipe.mirrored, recipe.donor_mirrored)
    meshes = [*faces(bank, recipe, role), donor_face(bank, recipe, role)]
    return [_warped(bank.sources[p][role], t, m, mesh) for p, t, m in zip(people, turned, meshes, strict=True)]


def _warped(source: Source, mirror: bool, points: Points, mesh: Target) -> tuple[Floats, Labels]:
    """A source's image and labels on the mosaic's mesh."""
    image, labels = flipped(source) if mirror else (source.image, source.labels)
    way = mesh.way_to(points)
    return resample(image, way).astype(np.float32), np.asarray(resample(labels, way, nearest=True), np.uint8)
