"""The mesh of a mosaic: each feature's own mixture of k people, exaggerated, on the surround of the donor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vera.mosaic.bank import Bank
from vera.mosaic.partners import Recipe
from vera.mosaic.points import INNER, REGIONS, extend, mirrored
from vera.types import Points

PLACE = 0.5
"""DECISION: a feature's place follows its own mixture by this share, the whole face's by the rest: features must not collide."""
FOLLOW = 0.6
"""DECISION: the ring around the face follows a new outline by this share, so that hair and neck keep their shape."""
LIPS = REGIONS["mouth"]


def faces(bank: Bank, recipe: Recipe, role: int) -> list[Points]:
    """The k people's meshes, mirrored where the recipe says so."""
    own = [bank.sources[person][role].points for person in recipe.people]
    return [mirrored(points) if turn else points for points, turn in zip(own, recipe.mirrored, strict=True)]


def donor_face(bank: Bank, recipe: Recipe, role: int) -> Points:
    """The donor's mesh."""
    points = bank.sources[recipe.donor][role].points
    return mirrored(points) if recipe.donor_mirrored else points


def mixed(recipe: Recipe, meshes: Sequence[Points]) -> Points:
    """``(105, 2)``: the mixture; no point takes more than the weights' bound from anybody."""
    stacked = np.stack(meshes)
    shape = np.tensordot(recipe.whole, stacked, 1)
    for region, points in REGIONS.items():
        own = np.tensordot(recipe.regions[region], stacked[:, points], 1)
        shape[points] = own if region == "jaw" else own + PLACE * (shape[points].mean(0) - own.mean(0))
    return np.asarray(shape)


def target(bank: Bank, recipe: Recipe, role: int) -> Points:
    """The mosaic's mesh, ``(105, 2)``.

    The resting face is mixed and exaggerated. Another role adds how the mixture moves between the two photographs; the lips move as those
    of the person who gives the mouth, since a mixture of smiles bares no teeth that fit.
    """
    resting = faces(bank, recipe, 0)
    shape = mixed(recipe, resting)
    mean = bank.mean[str(bank.sex[recipe.donor])]
    face = shape.copy()
    face[:INNER] = mean[:INNER] + recipe.exaggeration * (shape[:INNER] - mean[:INNER])
    if role:
        moved = faces(bank, recipe, role)
        change = mixed(recipe, moved) - shape
        position = recipe.parts["mouth"]
        own = moved[position][LIPS] - resting[position][LIPS]
        change[LIPS] = own - own.mean(0) + change[LIPS].mean(0)
        face = face + change
    donor = donor_face(bank, recipe, role)
    ring = slice(INNER, INNER + 16)
    wanted, given = extend(face[:68])[ring], extend(donor[:68])[ring]
    face[INNER:] = donor[INNER:]
    face[ring] = donor[ring] + FOLLOW * (wanted - given)
    return face
