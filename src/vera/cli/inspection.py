"""Look at an output folder again: is everything in it, and in the sources, as the audit says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vera import files
from vera.anonymization.faceless import RENDERED
from vera.anonymization.recheck import Rechecker
from vera.anonymization.verification import handling_faults, pixel_faults
from vera.cli.chain import RECORDS, broken_links, named
from vera.cli.plan import clip_files
from vera.cli.record import OUTPUTS, outputs_of
from vera.cli.schema import departures
from vera.faces.calibration import DEFAULT_FAR
from vera.faces.clip_file import read_clip, same_pictures
from vera.faces.masks import mask_from_text
from vera.faces.photograph import read_photograph
from vera.faces.turns import turned
from vera.types import Anonymized, Mask, Photograph, VeraError

PRESERVED = ".preserved.png"


@dataclass
class Inspection:
    """The findings of an inspection.

    Attributes:
        faults: deviations from the audit, a sentence each.
        notes: checks that were not possible, and facts that somebody should know.
        pictures: pictures that the audit records as written.
        compared: number of these that were compared with their sources.
        judged: people whose pictures the recognisers were asked about again.

    """

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: int = 0
    compared: int = 0
    judged: int = 0


class Originals:
    """Finds the photographs that an audit names, by the digests of their files; a file of another content is none.

    Args:
        folder: the output folder; without ``sources`` a photograph is looked for by its name there, beside it, and in the current folder.
        sources: folder of the photographs, searched as a whole; None for no such folder.

    """

    def __init__(self, folder: Path, sources: Path | None) -> None:
        self.places = [folder, folder.absolute().parent, Path.cwd()]
        found = sorted(path for path in sources.rglob("*") if path.is_file()) if sources else []
        self.by_digest = {files.digest(path): path for path in found}  # whatever their suffix: it is not believed in reading either
        self.whole = sources is not None

    def find(self, file: Mapping[str, Any]) -> Path | None:
        """The photograph of a file's entry in the audit; None if it is not there, or no longer the same."""
        name = file.get("source", "")
        if not self.whole and name and Path(name).name == name:
            return next((place / name for place in self.places if files.digest(place / name) == file["digest"]), None)
        return self.by_digest.get(file["digest"])


def inspect(folder: Path, audit: dict[str, Any], originals: Originals, rechecker: Callable[[float], Rechecker]) -> Inspection:
    """Check an output folder by its audit.

    Args:
        folder: the output folder of earlier calls.
        audit: its audit, from :func:`vera.cli.record.read_audit`.
        originals: folder of the source photographs.
        rechecker: a function that gives the recognisers for a false-accept rate.

    """
    found = Inspection(faults=broken_links(audit))
    if "chain" not in audit:
        found.notes.append("the audit is of version 1: it has no chain, and does not say where pixels may differ")
    if wrong := departures(audit):
        found.faults += wrong
        return found  # what is not of the audit's form is not followed
    records = [record for name in RECORDS for record in audit[name]]
    for number, record in enumerate(records):
        who = named(number, record)
        found.faults += [f"{who}: {fault}" for fault in _changed_files(folder, record.get("report", {}))]
        if record["status"] == "placing":
            found.faults.append(f"{who}: a call was stopped here: make it again, which first undoes what was half done")
        elif record["status"] == "written":
            rate = record.get("call", audit).get("settings", {}).get("false_accept_rate", DEFAULT_FAR)
            try:
                for fault in _person_faults(folder, record, who, originals, partial(rechecker, rate), found):
                    found.faults.append(f"{who}: {fault}")
            except VeraError as error:
                found.faults.append(f"{who}: {error}")
    known = {name for record in records for name in outputs_of(record)}
    there = sorted(path.name for path in folder.iterdir() if path.suffix in OUTPUTS)
    found.notes += [f"{name} is not in the audit" for name in there if name not in known]
    return found


def _person_faults(
    folder: Path, record: Mapping[str, Any], who: str, originals: Originals, rechecker: Callable[[], Rechecker], found: Inspection
) -> Iterator[str]:
    """Faults of one person's record and pictures; what could not be checked goes to the notes."""
    if "clip" in record:
        yield from _clip_faults(folder, record, who, originals, rechecker, found)
        return
    if [file["digest"] for file in record["files"]] != [known["digest"] for known in record["photographs"]]:
        yield "its files and its photographs are not the same"
        return
    if not record["verification"]["passed"]:
        yield "the pictures are there, but the audit says that they did not pass"
    pairs: list[tuple[Photograph, Anonymized]] = []
    for file, photograph in zip(record["files"], record["photographs"], strict=True):
        found.pictures += 1
        yield from _changed_files(folder, file["written"])
        if not all((folder / name).is_file() for name in file["written"]):
            continue
        output = _output(folder, file["written"], photograph)
        source = _source(originals.find(file), photograph)
        if source is None:
            yield from _without_source(file, f" of {photograph['name']}", "where the photographs are", who, originals, found)
            yield from _mishandled(output, photograph)
            continue
        found.compared += 1
        yield from _miscounted(output, photograph)
        if "regions" in photograph:
            pairs.append((source, output))
        elif count := int(((source.pixels != output.image).any(axis=2) & output.preserved).sum()):
            yield f"{output.name}: {count} preserved pixels are not the source's"
    if len(pairs) < len(record["photographs"]):
        found.notes.append(f"{who}: the recognisers were not asked again, since not all photographs could be compared")
        for source, output in pairs:
            yield from pixel_faults(source, output)
            yield from _mishandled(output, next(known for known in record["photographs"] if known["name"] == output.name))
        return
    yield from _judged_again(record, who, pairs, rechecker, found)


def _clip_faults(
    folder: Path, record: Mapping[str, Any], who: str, originals: Originals, rechecker: Callable[[], Rechecker], found: Inspection
) -> Iterator[str]:
    """Faults of a clip's record, files and frames."""
    written = {name: digest for file in record["files"] for name, digest in file["written"].items()}
    names = clip_files(next((name for name in written if name.endswith(".mp4")), "").removesuffix(".mp4"))
    digests = {file["digest"] for file in record["files"]} | {known["digest"] for known in record["photographs"]}
    if set(written) != set(names) or len(record["files"]) != 1 or len(digests) != 1:
        yield "its files are not those of a clip"
        return
    if not record["verification"]["passed"]:
        yield "the clip is there, but the audit says that it did not pass"
    found.pictures += 1
    yield from _changed_files(folder, written)
    if not all((folder / name).is_file() for name in names):
        return
    lossless, viewing, preserved = (read_clip(folder / name, record["clip"]["name"]) for name in names)
    if not same_pictures(viewing, [frame.pixels for frame in lossless.frames]):
        yield f"{names[1]} shows other pictures than {names[0]}"
    if not len(lossless.frames) == len(preserved.frames) == len(record["photographs"]):
        yield f"{names[0]}, its preserved region and the audit have not as many frames as each other"
        return
    outputs = [
        Anonymized(known["name"], frame.pixels, mask.pixels[:, :, 0] > 127, *_regions(known, known["name"]))
        for frame, mask, known in zip(lossless.frames, preserved.frames, record["photographs"], strict=True)
    ]
    for output, known in zip(outputs, record["photographs"], strict=True):
        yield from _miscounted(output, known)
    path = originals.find(record["files"][0])
    if path is None:
        yield from _without_source(record["files"][0], "", "where it is", who, originals, found)
        return
    source = read_clip(path, record["clip"]["name"])
    if [frame.size for frame in source.frames] != [output.image.shape[:2] for output in outputs]:
        yield "the source has not as many frames, or not their size"
        return
    found.compared += 1
    yield from _judged_again(record, who, list(zip(source.frames, outputs, strict=True)), rechecker, found)


def _without_source(
    file: Mapping[str, Any], shown: str, where: str, who: str, originals: Originals, found: Inspection
) -> Iterator[str]:
    """A fault where all sources were given and one is missing; otherwise a note on how to give it."""
    source = f" {file['source']}" if file.get("source") else ""  # left out where the outputs have neutral names
    missing = f"the source{source}{shown} is not there, or is another file now"
    if originals.whole:
        yield missing
    else:
        found.notes.append(f"{who}: {missing}: say {where} with --sources")


def _judged_again(
    record: Mapping[str, Any],
    who: str,
    pairs: Sequence[tuple[Photograph, Anonymized]],
    rechecker: Callable[[], Rechecker],
    found: Inspection,
) -> Iterator[str]:
    """Faults that pixels and recognisers show, in all photographs of a person or all frames of a clip."""
    again = rechecker()
    if absent := again.absent(record):
        found.notes.append(f"{who}: {', '.join(absent)} took part, and is not asked again: name it with --recogniser")
    found.judged += 1
    yield from again([source for source, _ in pairs], [output for _, output in pairs], record)


def _changed_files(folder: Path, written: Mapping[str, str]) -> Iterator[str]:
    """Files that are missing, or have another digest than they were written with."""
    for name, digest in written.items():
        there = files.digest(folder / name)
        if there != digest:
            yield f"{name} is missing, or can't be read" if there is None else f"{name} is not as it was written: its SHA-256 is another"


def _output(folder: Path, written: Mapping[str, str], photograph: Mapping[str, Any]) -> Anonymized:
    """A picture with its regions, as they are now.

    Raises:
        VeraError: the record does not name a picture and its mask, one can't be read, or their sizes are not those of the record.

    """
    name = next((name for name in written if not name.endswith(PRESERVED)), "")
    mask = f"{Path(name).stem}{PRESERVED}"
    if set(written) != {name, mask}:
        raise VeraError(f"the audit names {', '.join(written) or 'no file'} where a picture and its preserved region belong")
    image, preserved = read_photograph(folder / name).pixels, read_photograph(folder / mask).pixels[:, :, 0] > 127
    size = tuple(photograph["size"])
    if not image.shape[:2] == preserved.shape == size:
        raise VeraError(f"{name} and {mask} have not the size {size[0]} x {size[1]} that the audit says")
    return Anonymized(photograph["name"], image, preserved, *_regions(photograph, name))


def _regions(photograph: Mapping[str, Any], name: str) -> tuple[Mask, Mask | None]:
    """The replaced region, empty where the audit does not say it, and the hair edge."""
    size, regions = tuple(photograph["size"]), photograph.get("regions", {})
    replaced, edge = (mask_from_text(text, size, f"of {name}") if (text := regions.get(one)) else None for one in ("replaced", "hair_edge"))
    return np.zeros(size, dtype=bool) if replaced is None else replaced, edge


def _source(path: Path | None, photograph: Mapping[str, Any]) -> Photograph | None:
    """A photograph, turned as it was for its output; None where it is not there.

    Raises:
        VeraError: it can't be read, or its size is not that of the record.

    """
    if path is None:
        return None
    read, turns = read_photograph(path), photograph.get("quarter_turns", 0)
    source = replace(read, pixels=turned(read.pixels, turns), name=photograph["name"], quarter_turns=turns)
    if source.size != tuple(photograph["size"]):
        raise VeraError(f"the source of {photograph['name']} has not the size that the audit says")
    return source


def _mishandled(output: Anonymized, photograph: Mapping[str, Any]) -> list[str]:
    """Faults of a covered or kept picture that show without its source."""
    found = photograph.get("eye_distance", 0.0) is not None
    return handling_faults(output, photograph.get("handling", RENDERED), face_found=found)


def _miscounted(output: Anonymized, photograph: Mapping[str, Any]) -> Iterator[str]:
    """Regions that have not as many pixels as the record says."""
    regions = {"preserved": output.preserved} | ({"replaced": output.replaced} if "regions" in photograph else {})
    for what, region in regions.items():
        if (count := int(region.sum())) != (told := photograph[f"{what}_pixels"]):
            yield f"{output.name}: {count} pixels are {what}, and the audit says {told}"
