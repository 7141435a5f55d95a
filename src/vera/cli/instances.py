"""New DICOM instances of a person's photographs: what is read of the sources before the work, and what is written after it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vera.anonymization.pseudonyms import Pseudonyms
from vera.cli.plan import Entry, PlannedPerson
from vera.data.remote import shown
from vera.faces.dicom_instance import Instance, Origin, read_origin, write_dicom
from vera.faces.image_file import read_file
from vera.types import Anonymized

LOOK = "is marked as free of text that identifies the patient, and VerA does not look for text in the picture: look at it"
"""What a warning says of each DICOM output."""


def origins(person: PlannedPerson) -> list[Origin | None]:
    """Read what the new instances need of their sources; None for outputs in PNG.

    Args:
        person: person of the plan, with the photographs.

    Raises:
        VeraError: a source cannot be read, or becomes no de-identified instance (:func:`vera.faces.dicom_instance.read_origin`).

    """
    return [read_origin(read_file(entry.path), shown(entry.path)) if entry.dicom else None for entry in person.entries]


def warnings(entries: Sequence[Entry]) -> list[str]:
    """A warning for each output that is a DICOM file."""
    return [f"{entry.name}.dcm {LOOK}" for entry in entries if entry.dicom]


def write_instance(path: Path, photograph: Anonymized, origin: Origin, *, seed: int, person: str, source: str | None, number: int) -> None:
    """Write one photograph as a DICOM file.

    Study and series are those of the source under pseudonyms, or one of each for all sources that are no DICOM. The instance is
    new: its UID depends on the pixels, too.

    Args:
        path: the file to write; its folder must exist.
        photograph: the anonymized photograph with its pixels.
        origin: facts of the source file.
        seed: seed of the person's identity.
        person: id of the person in this call.
        source: SHA-256 of the source file.
        number: number of the photograph in the call, from 1.

    Raises:
        VeraError: the file cannot be written.

    """
    known = Pseudonyms(seed, person)
    pixels = hashlib.sha256(np.ascontiguousarray(photograph.image).tobytes()).hexdigest()
    instance = Instance(
        patient=known.name,
        study=known.uid("study", origin.study),
        series=known.uid("series", origin.study, origin.series),
        instance=known.uid("instance", origin.instance or str(source), pixels),
        number=number,
    )
    write_dicom(path, photograph.image, origin, instance)
