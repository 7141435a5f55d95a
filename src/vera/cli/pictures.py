"""Pictures of a verified person, written into a hidden folder and read back before anything gets its name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vera.cli.placing import Staging
from vera.cli.plan import clip_files, output_files
from vera.types import Anonymized, AnonymizedPerson, VeraError

if TYPE_CHECKING:
    from vera.faces.content_credentials import ManifestSigner
    from vera.faces.dicom_instance import Origin


def stage_person(
    staging: Staging,
    result: AnonymizedPerson,
    record: dict[str, Any],
    origins: Sequence[Origin | None] | None,
    *,
    mark: bool,
    signer: ManifestSigner | None = None,
) -> None:
    """Write a verified person's images into a new hidden folder, decode them again and compare.

    Args:
        staging: the hidden folder, which is made.
        result: the anonymized images of one person.
        record: entry of the audit; its ``files`` are in the result's order, and get the names and digests of the staged files.
        origins: facts of the sources for outputs in DICOM, None for those in PNG; None: all are PNG.
        mark: write into each picture how it came about, as the record's ``digital_source_type`` says.
        signer: signer that puts a C2PA manifest into each marked PNG; None for no manifests.

    Raises:
        VeraError: what was decoded is not what was to be written, or it can't be signed.
        OSError: they can't be written.

    """
    from vera.cli.instances import write_instance  # only now, since it brings Pillow

    staging.make()
    if "clip" in record:
        (file,) = record["files"]
        file["written"] = _stage_clip(result.photographs, staging.new, record["clip"], record["digital_source_type"] if mark else None)
        return
    given = origins or [None] * len(result.photographs)
    own = [known.get("digital_source_type", record["digital_source_type"]) for known in record["photographs"]]
    seed = record.get("seed")  # none without a new face: then nothing but the UIDs is random
    secret = secrets.randbits(63) if seed is None else seed
    for number, (file, photograph, origin) in enumerate(zip(record["files"], result.photographs, given, strict=True), 1):
        known = {"person": result.person, "source": file["digest"], "number": number}
        write = partial(write_instance, origin=origin, seed=secret, **known) if origin else None
        file["written"] = _stage(photograph, staging.new, own[number - 1] if mark else None, write, signer)


def _stage_clip(frames: Sequence[Anonymized], folder: Path, facts: dict[str, Any], source_type: str | None) -> dict[str, str]:
    """Write a clip without loss, to be looked at, and its preserved region, and see that all of them read back as they are.

    Args:
        frames: the anonymized frames, in the order of time.
        folder: folder for the files.
        facts: name and times of the clip, as the audit says them.
        source_type: IPTC's term for how the pictures came about; None for no mark.

    Returns:
        The files' names and SHA-256.

    Raises:
        VeraError: they read back differently.

    """
    from vera.faces.clip_file import read_clip, same_pictures, write_lossless, write_viewing_copy
    from vera.faces.marking import TOOL

    lossless, viewing, preserved = (folder / name for name in clip_files(facts["name"]))
    times, time_base = facts["times"], Fraction(facts["time_base"])
    comment = f"{TOOL}, {source_type}" if source_type else ""
    images, masks = [frame.image for frame in frames], [frame.preserved for frame in frames]
    write_lossless(lossless, images, times, time_base, comment=comment)
    write_viewing_copy(viewing, images, times, time_base, comment=comment)
    write_lossless(preserved, masks, times, time_base)
    written = {file: read_clip(file, file.stem) for file in (lossless, viewing, preserved)}
    sound = (
        len(written[lossless].frames) == len(written[preserved].frames) == len(frames)
        and all(np.array_equal(read.pixels, image) for read, image in zip(written[lossless].frames, images, strict=True))
        and all(np.array_equal(read.pixels[:, :, 0] > 127, mask) for read, mask in zip(written[preserved].frames, masks, strict=True))
        and same_pictures(written[viewing], images)
    )
    if not sound:
        raise VeraError(f"{facts['name']} reads back differently from what was written: check the disk of {folder.parents[1]}")
    return {file.name: clip.frames[0].digest for file, clip in written.items()}


def _stage(
    photograph: Any, folder: Path, source_type: str | None, write: Callable[[Path, Any], None] | None, signer: ManifestSigner | None
) -> dict[str, str]:
    """Write a photograph, marked if it has a source type, and its preserved region, and see that they read back as they are.

    Args:
        photograph: the anonymized photograph of the pipeline.
        folder: folder for the files.
        source_type: IPTC's term for how the picture came about; None for no mark.
        write: function that writes the photograph as a DICOM file; None for PNG.
        signer: signer that puts a C2PA manifest into a marked PNG; None for no manifest.

    Returns:
        The files' names and SHA-256.

    Raises:
        VeraError: they read back differently, or the picture can't be signed.

    """
    from vera.faces.marking import packet
    from vera.faces.photograph import encoded_png, read_photograph, replace_file, write_png

    as_colours = np.repeat(photograph.preserved[:, :, None] * np.uint8(255), 3, axis=2)
    image, preserved = (folder / name for name in output_files(photograph.name, dicom=write is not None))
    if write:
        write(image, photograph)
    else:
        content = encoded_png(photograph.image, xmp=packet(source_type) if source_type else None)
        replace_file(image, signer.sign(content, source_type) if signer and source_type else content)
    write_png(preserved, photograph.preserved)
    digests = {}
    for file, pixels in ((image, photograph.image), (preserved, as_colours)):
        read = read_photograph(file)
        if not np.array_equal(read.pixels, pixels):
            raise VeraError(f"{file.name} reads back differently from what was written: check the disk of {folder.parents[1]}")
        digests[file.name] = read.digest
    return digests
