"""A report of one person for the clinic: one HTML file with PASS, REVIEW or REFUSED, why, the distances, and the contact sheet.

It names no patient and no file: people and photographs are numbered, and a message that still holds a name is left out. The page asks
nothing of the network, and whatever is written into it is escaped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vera import __version__, files
from vera.anonymization.assessment import PASS, REFUSED, REVIEW, assess
from vera.cli.plan import Entry, PlannedPerson, report_files
from vera.cli.roles import role_of
from vera.data.manifest import VIEWS
from vera.data.remote import shown
from vera.types import Anonymized, Semantic

TEMPLATES = Path(__file__).parents[1] / "assets" / "report"
MEANINGS = {
    PASS: "All photographs passed the verification and were written. Nothing in particular must be looked at.",
    REVIEW: "All photographs passed the verification and were written. A person must look at the points below.",
    REFUSED: "Nothing was written for this person in this call.",
}
STEPS = {
    PASS: ["Look at each result in full size, beside its original: a number does not see a seam."],
    REVIEW: [
        "Look at each point above, in full size, beside the original. Do not publish a result in which somebody can be recognised.",
        "Look at each result as a whole, too: a number does not see a seam.",
    ],
    REFUSED: [
        "Do what the message says, and make the call again.",
        "Where a recogniser still recognises the person: preserve less, take another --seed, or hide the face (--method cover).",
        "Where the renderer cannot make one of several photographs: leave it out, or see --unsupported.",
    ],
}
HANDLINGS = {"renderer": "anonymized", "cover": "covered in black", "keep": "kept as it is: no face is found in it"}
SECRET = "a message that names a file or the patient: read it in audit.json"
LEAST = 3
"""DECISION: letters from which names, and words within them, are looked for in messages."""
PATH = re.compile(r"(?:^|[\s'\"(=])(?:~?/|[A-Za-z]:\\)\w")
"""Start of a path, whose folders may be called as the patient."""
ORDINARY = {"face", "photo", "photos", "photograph", "photographs", "image", "picture", "mask", "left", "right", "front", "side"}
ORDINARY |= {word for view in VIEWS for word in view.split("-")} | {known.name.lower() for known in Semantic}
"""Words that name nobody, though files are called so."""


def write_report(
    folder: Path, person: PlannedPerson, number: int, record: Mapping[str, Any], results: Sequence[Anonymized]
) -> dict[str, str]:
    """Write a person's contact sheet and report, or the report of a refused person.

    Args:
        folder: folder for the files, which are new there.
        person: person of the plan, with the photographs.
        number: the person's number in the call, from 1.
        record: the person's record of the audit.
        results: the anonymized photographs; empty for a refused person.

    Returns:
        The files' names and SHA-256.

    Raises:
        OSError: they can't be written.

    """
    *written, refused = report_files(number)
    labels = labels_of(person.entries)
    sheet = b""
    if results:
        from vera.anonymization.contact_sheet import contact_sheet  # only now, since it brings OpenCV
        from vera.faces.photograph import encoded_png

        sheet = encoded_png(contact_sheet(results, labels))
        files.write_new(folder / written[0], sheet)
    name = written[1] if results else refused
    files.write_new(folder / name, page(person, number, record, labels, sheet).encode("utf-8"))
    return {known: str(files.digest(folder / known)) for known in (written if results else [name])}


def page(person: PlannedPerson, number: int, record: Mapping[str, Any], labels: Sequence[str], sheet: bytes) -> str:
    """The report's HTML."""
    assessed = assess(record)
    verdict = assessed.verdict
    reasons = [record["reason"], *record.get("verification", {}).get("reasons", ())] if verdict == REFUSED else []
    told = [neutral(text, person, number) for text in (*reasons, *assessed.warnings)]
    points = list(dict.fromkeys([*told, *assessed.narrow]))  # the latter are made of numbers and a recogniser's name
    judged = record.get("verification", {})
    options = record.get("options", {})
    how = {
        "made by": f"VerA {__version__}",
        "renderer": record.get("renderer"),
        "preserved": ", ".join(map(str, options["preserve"])) or "nothing, or a drawn region" if "preserve" in options else None,
        "detector": record.get("backends", {}).get("detector"),
        "attempts": record.get("attempt"),
        "candidates looked at": record.get("candidates"),
    }
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("person.html").render(
        person=pseudonym(number),
        verdict=verdict,
        meaning=MEANINGS[verdict],
        points=points,
        steps=STEPS[verdict],
        sheet=base64.b64encode(sheet).decode("ascii"),
        photographs=_photographs(record, labels),
        distances=_distances(judged, labels),
        alike=_alike(judged) if record.get("bundle") else [],  # results without a new face need not be alike
        meaning_of_distances=judged.get("meaning", ""),
        how=[(name, value) for name, value in how.items() if value is not None],
    )


def pseudonym(number: int) -> str:
    """The name of a person in the report."""
    return f"person-{number:04d}"


def labels_of(entries: Sequence[Entry]) -> list[str]:
    """A label for each photograph: its number, and its role and view where they are known; of a role only what tells a time.

    A manifest's role is free text, which may name the patient.
    """
    labels = []
    for number, entry in enumerate(entries, 1):
        known = ", ".join(files.printable(text) for text in (role_of(entry.role), entry.view) if text)
        labels.append(f"{number}: {known}" if known else f"photograph {number}")
    return labels


def neutral(text: str, person: PlannedPerson, number: int) -> str:
    """A message without names of files and of the patient.

    Names of photographs and paths become numbers, and the id becomes the pseudonym, where messages are known to name them. If a name
    or a path is still in the text, the text is not shown.

    Args:
        text: message of the audit, one line.
        person: person of the plan, with the photographs.
        number: the person's number in the call, from 1.

    """
    names = {f"'{known}'": f"'{pseudonym(number)}'" for known in (person.id, person.label)}
    for count, entry in enumerate(person.entries, 1):
        neutral_name = f"photograph {count}"
        for path, what in ((entry.path, neutral_name), *((mask, f"the mask of {neutral_name}") for mask in entry.masks)):
            names |= {str(path): what, shown(path): what, path.name: what, shown(path.name): what}
        names |= {f"{entry.name}.{ending}": neutral_name for ending in ("preserved.png", "png", "dcm")} | {f"'{entry.name}'": neutral_name}
        text = re.sub(rf"(^|: |; ){re.escape(entry.name)}: ", rf"\g<1>{neutral_name}: ", text)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    told = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in _secrets(person))
    return SECRET if told or PATH.search(text) else text


def _secrets(person: PlannedPerson) -> set[str]:
    """Names that may identify the person: the id, names of files and their folders, and their words; not words such as "before"."""
    names = {person.id}
    for path in (path for entry in person.entries for path in (entry.path, *entry.masks)):
        names |= {path.stem, path.parent.name}
    found = names | {word for name in names for word in re.split(r"[\W_]+", name)}
    return {name for name in found if len(name) >= LEAST and name.lower() not in ORDINARY and role_of(name) != name.lower()}


def _photographs(record: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, str]]:
    """A row for each photograph; without numbers where the call did not come so far."""
    known = record.get("photographs") or [{}] * len(labels)
    shares = record.get("verification", {}).get("changed_share") or [None] * len(labels)
    written = record["status"] == "written"
    return [
        {
            "label": label,
            "handling": HANDLINGS[facts.get("handling", "renderer")] if written else "not written",
            "preserved": f"{facts['preserved_pixels']:,}" if facts else "",
            "replaced": f"{facts['replaced_pixels']:,}" if facts else "",
            "changed": f"{share:.1%}" if share is not None and facts.get("replaced_pixels") else "",
        }
        for label, facts, share in zip(labels, known, shares, strict=True)
    ]


def _distances(judged: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table: the least distance of each result to the person."""
    rows = []
    for recogniser in judged.get("recognisers", ()):
        for label, distances in zip(labels, recogniser["output_to_source"], strict=True):
            if distances:
                least = None if None in distances else min(distances)
                row = {"label": label, "recogniser": recogniser["name"], "distance": _shown(least)}
                needed = recogniser["refusal_threshold"]
                rows.append(row | {"threshold": _shown(needed), "passed": least is not None and least >= needed})
    return rows


def _alike(judged: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a table: the largest distance between two results with a new face."""
    rows = []
    for recogniser in judged.get("recognisers", ()):
        if distances := recogniser["between_outputs"]:
            most = None if None in distances else max(distances)
            row = {"recogniser": recogniser["name"], "distance": _shown(most), "threshold": _shown(recogniser["threshold"])}
            rows.append(row | {"passed": most is not None and most < recogniser["threshold"]})
    return rows


def _shown(number: float | None) -> str:
    """A number of a table."""
    return "none" if number is None else f"{number:.3f}"
