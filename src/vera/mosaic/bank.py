"""All prepared people with the measurements that partner choice and screening of mosaics need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vera.mosaic.colour import to_lab
from vera.mosaic.look import SkinLook, measure
from vera.mosaic.masks import forehead_is_clear
from vera.mosaic.people import SourcePerson
from vera.mosaic.points import MARGIN
from vera.mosaic.sources import Source, read_source
from vera.mosaic.warping import Triangles, triangulate
from vera.types import VeraError

CLEAR = 0.95
"""DECISION: share of skin on the forehead under which a person is a donor of the surround only."""


class Bank:
    """All prepared people, with their colours, embeddings and mesh measurements.

    Args:
        folder: folder of the prepared photographs.
        people: everybody in the table; mosaics keep their distance from all of them.
        mixed: people who may be mixed.
        size: side of the mosaics in pixels: colours are measured as they would show there, thin lips in few pixels.

    Attributes:
        sources: sources of each mixed person and role, in the order of ``people`` and of the roles.
        looks: colours of the sources.
        triangles: triangles of the mesh, the same for every mosaic.
        tone: ``(N, 3)`` CIELAB of the skin of each mixed person.
        clear: ``(N,)``: no hair on the forehead in any role.
        chin: ``(R, N)``: height of the chin in each role.
        everybody: ``(M, D)`` embeddings of all photographs, and whose they are: ``owners``.

    """

    def __init__(self, folder: Path, people: Sequence[SourcePerson], mixed: Sequence[SourcePerson], size: int) -> None:
        self.people = list(mixed)
        self.roles = self.people[0].roles
        chosen = {person.id for person in mixed}
        self.everybody, self.owners = [], list[str]()
        kept: dict[str, list[Source]] = {}
        for person in people:
            read = [read_source(folder, person.id, role) for role in person.roles]
            self.everybody += [source.embedding for source in read]
            self.owners += [person.id] * len(read)
            if person.id in chosen:
                kept[person.id] = read
        self.sources = [kept[person.id] for person in self.people]
        self.looks: list[list[SkinLook]] = [[look_of(source, size) for source in own] for own in self.sources]
        skins = np.array([[look.skin for look in own] for own in self.looks])
        if not np.isfinite(skins).all():
            bad = self.sources[int(np.argwhere(~np.isfinite(skins))[0][0])][0].person
            raise VeraError(f"no skin is visible on the cheeks of '{bad}': take another photograph, or leave this person out")
        self.tone: npt.NDArray[np.float64] = skins.mean(1)
        self.clear = np.array([all(forehead_is_clear(s.labels, s.points) > CLEAR for s in own) for own in self.sources])
        self.chin = np.array([[s.points[8, 1] for s in own] for own in self.sources]).T
        self.sex = np.array([person.sex for person in self.people])
        resting = np.stack([own[0].points for own in self.sources])
        self.mean = {sex: resting[self.sex == sex].mean(0) for sex in set(self.sex.tolist())}
        self.triangles: Triangles = triangulate(np.stack([s.points for own in self.sources for s in own]).mean(0))


def look_of(source: Source, size: int) -> SkinLook:
    """Colours of a prepared photograph, its crop brought to a side."""
    side = round(size * (1 + 2 * MARGIN))
    lab = to_lab(np.asarray(cv2.resize(source.image, (side, side), interpolation=cv2.INTER_AREA), np.uint8))
    labels = cv2.resize(source.labels, (side, side), interpolation=cv2.INTER_NEAREST)
    return measure(lab, np.asarray(labels, np.uint8), (source.points + MARGIN) / (1 + 2 * MARGIN))
