"""Plan a call before any heavy work: people, photographs, masks and output names, all checked."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from vera import files
from vera.anonymization.request import Options, unnamed
from vera.data.manifest import check_files, read_manifest
from vera.data.people import Person
from vera.data.remote import Address, digest, first_bytes, shown
from vera.faces.region_choice import MARGIN, SHAPES, Region, parse_region, split_classes, split_list
from vera.types import Semantic, VeraError
from vera.untrusted import field, read_json


@dataclass(frozen=True)
class Entry:
    """One photograph of the request.

    Attributes:
        path: file of the photograph.
        name: output stem: ``name.png`` and ``name.preserved.png``.
        role: role by the manifest or by the name in a folder (before, after, week 6, ...); empty where neither does.
        masks: files of drawn regions to preserve.
        digest: SHA-256 of the photograph's file, where it is known already.
        dicom: the output is ``name.dcm`` instead of ``name.png``.
        view: side from which it was taken (:data:`vera.data.manifest.VIEWS`); empty where the manifest does not say so.
        clip: True for a short video; its outputs are ``name.mkv``, ``name.mp4`` and ``name.preserved.mkv``.

    """

    path: Path
    name: str
    role: str = ""
    masks: tuple[Path, ...] = ()
    digest: str | None = None
    dicom: bool = False
    view: str = ""
    clip: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """File names of the outputs."""
        return clip_files(self.name) if self.clip else output_files(self.name, dicom=self.dicom)


@dataclass(frozen=True)
class PlannedPerson:
    """One person's photographs.

    Attributes:
        id: id from which the identity is drawn, together with the seed.
        label: name of this person in the audit; differs from ``id`` only with ``--rename``.
        entries: the photographs, in the order given.

    """

    id: str
    label: str
    entries: tuple[Entry, ...]


def plan(
    photographs: Sequence[Path],
    manifest: Path | None,
    *,
    person: str | None,
    masks: Sequence[Path],
    rename: bool,
    identity: Path | None,
    roles: Sequence[str] = (),
) -> list[PlannedPerson]:
    """The people of one call, from photographs or from a manifest.

    Args:
        photographs: files of one person's photographs; empty with a manifest.
        manifest: CSV of many people.
        person: the one person's id.
        masks: files of drawn regions, for the photographs.
        rename: use neutral output names and labels.
        identity: an identity file that is read or written; it belongs to one person.
        roles: role of each photograph; none for photographs without roles.

    Raises:
        VeraError: options that contradict each other, or what :func:`plan_photographs` and :func:`plan_manifest` raise.

    """
    if not manifest:
        if not photographs:
            raise VeraError("no photograph given: name at least one, or use --manifest")
        return plan_photographs(photographs, person=person, masks=masks, rename=rename, roles=roles)
    if photographs:
        raise VeraError("photographs and --manifest were both given: the manifest names its photographs itself")
    if person:
        raise VeraError("--person and --manifest were both given: the manifest names its people itself")
    if masks:
        raise VeraError("a mask file in --preserve doesn't say which photograph it belongs to: use the manifest's column 'mask'")
    people = plan_manifest(manifest, rename=rename)
    if identity and len(people) > 1:
        raise VeraError(f"the manifest names {len(people)} people, but an identity file holds one face: make one call for each person")
    return people


def plan_call(
    photographs: Sequence[Path],
    manifest: Path | None,
    *,
    options: Options,
    person: str | None,
    masks: Sequence[Path],
    rename: bool,
    identity: Path | None,
    format: str | None,
    roles: Sequence[str] = (),
    signed: bool = False,
) -> list[PlannedPerson]:
    """The people of one call with the formats of their outputs, checked against the options; for the command line and the page alike.

    Args:
        photographs: files of one person's photographs; empty with a manifest.
        manifest: CSV of many people.
        options: the choices of the call.
        person: the one person's id.
        masks: files of drawn regions, for the photographs.
        rename: use neutral output names and labels.
        identity: an identity file that is read or written; it belongs to one person.
        format: ``png`` or ``dicom`` for all outputs; None: DICOM for photographs in DICOM files.
        roles: role of each photograph; none for photographs without roles.
        signed: outputs get C2PA manifests, so that none may be DICOM.

    Raises:
        VeraError: the options don't fit the photographs, or what :func:`plan` and :func:`choose_formats` raise.

    """
    options.require_fits(2 if manifest else len(photographs))
    people = plan(photographs, manifest, person=person, masks=masks, rename=rename, identity=identity, roles=roles)
    return choose_formats(people, format, leave_others=options.leave_others, signed=signed)


def plan_photographs(
    photographs: Sequence[Path], *, person: str | None, masks: Sequence[Path], rename: bool, roles: Sequence[str] = ()
) -> list[PlannedPerson]:
    """The photographs of one call are one person.

    Args:
        photographs: files of one person's photographs.
        person: the person's id; without one it is derived from the files' content (:func:`vera.anonymization.request.unnamed`).
        masks: files of masks: any number for one photograph, all preserved; one each and in the same order for several.
        rename: whether outputs get neutral names.
        roles: role of each photograph; none for photographs without roles.

    Raises:
        VeraError: a file is missing, or the number of masks leaves open which belongs to which photograph.

    """
    check_files([*photographs, *masks])
    if len(photographs) == 1:
        groups = [tuple(masks)]
    elif masks and len(masks) != len(photographs):
        raise VeraError(
            f"{len(masks)} masks for {len(photographs)} photographs: give one mask for each photograph, in the same order, or a --manifest"
        )
    else:
        groups = [(mask,) for mask in masks] or [()] * len(photographs)
    check_person(person or "")
    digests = content_digests(photographs)
    entries = tuple(
        Entry(path, files.printable(path.stem), role, group, known)
        for path, role, group, known in zip(photographs, roles or [""] * len(photographs), groups, digests, strict=True)
    )
    known = person or unnamed(digests)
    return name_outputs([PlannedPerson(known, known, _clips(entries))], rename=rename)


def _clips(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries, marked where they are clips; a clip is the only entry, and nothing is drawn into it."""
    from vera.faces.clip_file import is_clip, require_av  # only now, since it brings numpy and Pillow

    if not (clips := [entry for entry in entries if is_clip(entry.path)]):
        return entries
    require_av()
    if len(entries) > 1:
        raise VeraError(f"{shown(clips[0].path)} is a clip: make a call for it alone, and give the other files the face of --save-identity")
    if clips[0].masks:
        raise VeraError(f"{shown(clips[0].path)} is a clip, and a drawn mask does not move with the face: name classes or parts")
    return (replace(clips[0], clip=True),)


def plan_manifest(manifest: Path, *, rename: bool) -> list[PlannedPerson]:
    """Many people from a CSV with the columns person, path and (if wanted) role, mask, view; paths are relative to the CSV.

    Raises:
        VeraError: what :func:`vera.data.manifest.read_manifest` raises, or two outputs would have the same file name.

    """
    people = []
    for person in read_manifest(manifest, groups=False):
        check_person(person.id, f"{manifest}: ")
        people.append(PlannedPerson(person.id, person.id, tuple(entries_of(person))))
    return name_outputs(people, rename=rename)


def entries_of(person: Person) -> list[Entry]:
    """The photographs of a person of a manifest."""
    return [
        Entry(file.path, files.printable(file.path.stem), file.role, (file.mask,) if file.mask else (), view=file.view)
        for file in person.photographs
    ]


def choose_formats(people: Sequence[PlannedPerson], wanted: str | None, *, leave_others: bool, signed: bool = False) -> list[PlannedPerson]:
    """Choose between PNG and DICOM for each output.

    Args:
        people: people of the plan, with their photographs.
        wanted: ``png`` or ``dicom`` for all outputs; None: DICOM for photographs in DICOM files.
        leave_others: other faces stay, so that no output may be DICOM.
        signed: outputs get C2PA manifests, so that none may be DICOM.

    Raises:
        VeraError: DICOM is to be written, and pydicom is not installed, other faces stay, or it is to be signed.

    """
    from vera.faces.formats import DICOM_START
    from vera.faces.image_file import is_dicom  # only now, since it brings Pillow

    offset, first = DICOM_START
    asked = [entry.path for person in people for entry in person.entries if isinstance(entry.path, Address) and wanted is None]
    starts = first_bytes(asked, offset + len(first))

    def becomes_dicom(entry: Entry) -> bool:
        if wanted is not None:
            return wanted == "dicom"
        return starts[entry.path][offset:] == first if isinstance(entry.path, Address) else is_dicom(entry.path)

    if wanted and any(entry.clip for person in people for entry in person.entries):
        raise VeraError("--format is of photographs: a clip becomes a Matroska file without loss, and an MP4 file to look at; leave it out")
    chosen = [
        replace(
            person,
            entries=tuple(replace(entry, dicom=becomes_dicom(entry)) for entry in person.entries),
        )
        for person in people
    ]
    dicom = any(entry.dicom for person in chosen for entry in person.entries)
    if dicom and find_spec("pydicom") is None:
        raise VeraError("DICOM is written by pydicom, which is not installed: run `pip install 'vera-anonymization[dicom]'`")
    if dicom and leave_others:
        raise VeraError(
            "--leave-others leaves faces recognisable, and a DICOM output is marked as free of them: crop it, or use --format png"
        )
    if dicom and signed:
        raise VeraError("a DICOM file has no place for a C2PA manifest: use --format png, or leave --c2pa-certificate and --c2pa-key out")
    return chosen


def name_outputs(people: list[PlannedPerson], *, rename: bool) -> list[PlannedPerson]:
    """Choose the output names; with ``rename`` names and labels reveal nothing.

    Raises:
        VeraError: two outputs would have the same file name (also where only the case differs, or how accents are coded).

    """
    if rename:
        numbered, count = [], 0
        for position, person in enumerate(people, start=1):
            entries = []
            for entry in person.entries:
                count += 1
                entries.append(replace(entry, name=f"{count:04d}"))
            numbered.append(PlannedPerson(person.id, f"person-{position:04d}", tuple(entries)))
        people = numbered
    taken: dict[str, Path] = {}
    for entry in (entry for person in people for entry in person.entries):
        for file in entry.outputs if entry.clip else output_files(entry.name):
            other = taken.setdefault(unicodedata.normalize("NFC", file.casefold()), entry.path)
            if other is not entry.path:
                raise VeraError(
                    f"{shown(other)} and {shown(entry.path)} would both be written as {file}: rename one of them, or use --rename"
                )
    return people


def check_person(name: str, where: str = "") -> None:
    """Raise a VeraError for an id that can't be shown on one line, or is no Unicode text."""
    if files.printable(name) != name:
        raise VeraError(f"{where}the person {files.printable(name)!r} has signs that can't be shown: use letters, digits and spaces")


def output_files(name: str, *, dicom: bool = False) -> tuple[str, str]:
    """File names of an output: the photograph (``.dcm`` with ``dicom``) and its preserved region."""
    return f"{name}.{'dcm' if dicom else 'png'}", f"{name}.preserved.png"


def clip_files(name: str) -> tuple[str, str, str]:
    """File names of a clip's outputs: without loss, to be looked at, and its preserved region."""
    return f"{name}.mkv", f"{name}.mp4", f"{name}.preserved.mkv"


def report_files(number: int) -> tuple[str, str, str]:
    """File names of a person's contact sheet, report, and report of a refusal.

    The last is another, so that a refusal does not replace the report of pictures that an earlier call wrote and that stay.

    Args:
        number: number of the person in the call, from 1.

    """
    name = f"person-{number:04d}"
    return f"{name}.sheet.png", f"{name}.report.html", f"{name}.refused.html"


def files_within(*paths: Path | None) -> list[Path]:
    """The files themselves, and those in the folders."""
    given = [path for path in paths if path]
    return [file for path in given for file in (path, *(path.rglob("*") if path.is_dir() else ()))]


def network_kind(bundle: Path | None, renderer: str | None) -> str:
    """Name of the class of network that will render, from a bundle's record alone: no library of networks is needed.

    Args:
        bundle: folder of a bundle; None for the packaged one of the renderer.
        renderer: ``exemplars`` or ``generator``; None for the default.

    Raises:
        VeraError: the record is damaged.

    """
    if bundle is None:
        return "Autoencoder" if renderer == "generator" else "ExemplarBank"
    path = bundle / "bundle.json"
    if not path.is_file():
        return ""  # loading says what is missing
    what = f"bundle '{shown(bundle)}': bundle.json"
    return field(read_json(path, what=what), "class", str, what=what).rpartition(".")[2]


class Kept(NamedTuple):
    """The entries of ``--preserve``, by kind.

    Attributes:
        classes: semantic classes to keep.
        regions: named parts, boxes, polygons, and classes with a margin.
        masks: files of drawn masks.

    """

    classes: tuple[Semantic, ...]
    regions: tuple[Region, ...]
    masks: tuple[Path, ...]


def parse_preserve(values: Sequence[str]) -> Kept:
    """Split ``--preserve`` values (repeated, or comma lists) into semantic classes, regions and mask files.

    Raises:
        VeraError: neither a class, nor a region, nor an existing file.

    """
    regions: list[Region] = []
    masks: list[Path] = []
    for item in split_list(values):
        if not item:
            raise VeraError("--preserve has an empty entry: give classes such as mouth,nose or the path of a mask file")
        if item.upper() not in Semantic.__members__ and is_file_name(item):
            masks.append(Path(item))
        else:
            regions.append(parse_region(item))
    check_files(masks)
    return Kept(*split_classes(regions), tuple(masks))  # one mask may serve several photographs


def is_file_name(item: str) -> bool:
    """Whether an entry of ``--preserve`` means a file: one that is there, or a name with a suffix or folder, but no margin or numbers."""
    if os.path.exists(item):  # not Path.exists, which raises for a name that is too long
        return True
    shaped = ":" in item and item.partition(":")[0].strip().lower() in SHAPES
    return not shaped and ("/" in item or "." in MARGIN.sub(r"\g<what>", item))


def content_digests(photographs: Sequence[Path]) -> list[str]:
    """SHA-256 of each photograph's file.

    Raises:
        VeraError: a photograph can't be read.

    """
    digests = []
    for path in photographs:
        content = digest(path)
        if content is None:
            raise VeraError(f"{path} can't be read: check its permissions")
        digests.append(content)
    return digests
