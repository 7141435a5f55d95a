"""The engine of the page: photographs are read, searched and anonymized by the functions of ``vera regions`` and ``vera anonymize``."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vera.anonymization.request import Options
from vera.anonymization.scene import search_faces
from vera.anonymization.uprightness import require_upright
from vera.cli import batch
from vera.cli.assembly import PersonAnonymizer, assemble, load_identity
from vera.cli.errors import sentence
from vera.cli.output import OutputFolder
from vera.cli.plan import plan_call
from vera.cli.record import AUDIT, read_audit
from vera.cli.regions import preview_by
from vera.faces.landmarks import BROWS
from vera.faces.photograph import read_photograph, replace_file, write_png
from vera.faces.region_choice import MM_OF_EYE_DISTANCE, Region, parse_region, split_classes
from vera.files import printable
from vera.serve.choices import Choices
from vera.serve.engine import Job, Watch
from vera.serve.outlines import rings
from vera.serve.strokes import paint
from vera.types import Mask, Points, VeraError

WHOLE = ("mouth", "nose", "eyes", "brows")
"""Classes that the page offers beside their parts."""
QUALITY = 92
"""DECISION: quality of the JPEG that the page shows of a source; the work itself reads the file."""


class PageEngine:
    """The default detector, parser, recognisers and bank, loaded once; implements :class:`vera.serve.engine.Engine`."""

    def __init__(self) -> None:
        self._made: dict[str | None, PersonAnonymizer] = {}
        self._anonymizer(Options(), None)

    def look(self, photograph: Path, view: Path, *, tell: Watch) -> dict[str, Any]:
        """Find the faces, and write a JPEG that every browser shows."""
        with _one_sentence():
            read, parts = read_photograph(photograph), self._made[None].anonymizer
            encoded = io.BytesIO()
            Image.fromarray(read.pixels).save(encoded, "JPEG", quality=QUALITY, subsampling=0)
            replace_file(view, encoded.getvalue())
            found = search_faces(parts.detector, read, parts.others)
            turned = None
            try:
                require_upright(read, found.turn)
            except VeraError as error:
                turned = str(error)
            faces = [{"box": [round(float(edge), 1) for edge in face.box], "outline": outline(face.landmarks)} for face in found.faces]
            return {
                "size": list(read.size),
                "faces": faces,
                "further": len(found.unseen),
                "turned": turned,
                "warnings": list(read.warnings),
            }

    def regions(self, photograph: Path, face: int, *, tell: Watch) -> list[dict[str, Any]]:
        """Find the regions that have names, as ``vera regions`` does."""
        with _one_sentence():
            parts, options = self._made[None].anonymizer, Options(face=face, leave_others=True)
            found = preview_by(read_photograph(photograph), options, detector=parts.detector, others=parts.others, parser=parts.parser)
            whole: dict[str, Mask | None] = {}
            for name in WHOLE:
                try:
                    whole[name] = found.regions.of(Region(name))
                except VeraError as error:
                    whole[name], found.missing[name] = None, str(error)
            mm = round(found.unit / MM_OF_EYE_DISTANCE, 3)
            return [
                {"name": name, "missing": found.missing[name]}
                if mask is None
                else {"name": name, "pixels": int(mask.sum()), "rings": rings(mask), "mm": mm}
                for name, mask in (whole | found.masks).items()
            ]

    def run(self, job: Job, *, tell: Watch) -> dict[str, Any]:
        """Anonymize one person, as ``vera anonymize`` does."""
        with _one_sentence():
            choices, options = job.choices, options_of(job.choices)
            (planned,) = plan_call(
                job.photographs,
                None,
                options=options,
                person=choices.person,
                masks=(),
                rename=choices.rename,
                identity=job.identity or job.keep_identity,
                format=None,
            )
            painted = [self._masks(job, number) for number in range(len(job.photographs))]
            entries = tuple(replace(entry, masks=masks) for entry, masks in zip(planned.entries, painted, strict=True))
            person = replace(planned, entries=entries)
            sources = [*job.photographs, *(mask for masks in painted for mask in masks), *([job.identity] if job.identity else [])]
            identity = load_identity(job.identity)
            kept = job.keep_identity
            with OutputFolder(job.out, [person], sources=sources, overwrite=False, identity=kept, mark=choices.mark, report=True) as folder:
                made = self._anonymizer(options, choices.method)
                failure: Exception | None = None
                try:
                    batch.run([person], folder, made, identity=identity, save_identity=kept, watch=tell)
                except Exception as error:  # the record says it
                    failure = error
            audit = read_audit(job.out / AUDIT)
            if audit is None:
                raise failure or VeraError("no audit was written: make the call again")
            (record,) = audit["people"]
            outlines = [read_mask_file(job.out, file["written"]) for file in record["files"] if file["written"]]
            return {"record": record, "rings": outlines}

    def _anonymizer(self, options: Options, method: str | None) -> PersonAnonymizer:
        if method not in self._made:
            self._made[method] = assemble(None, "cpu", Options(), method=method)
        return self._made[method].with_options(options)

    def _masks(self, job: Job, position: int) -> tuple[Path, ...]:
        """Files of a photograph's masks: the uploaded one, and the painted one, which is written here."""
        uploaded = job.masks[position]
        files = [uploaded] if uploaded else []
        strokes = dict(job.choices.drawn).get(job.numbers[position])
        if strokes:
            photograph, view = job.photographs[position], job.views[position]
            if not view.is_file():
                raise VeraError(f"'{photograph.name}' was not looked at, so nothing can be painted on it: remove it, and add it again")
            with Image.open(view, formats=("JPEG",)) as shown:  # its header tells the photograph's size without decoding either
                mask = paint(strokes, (shown.height, shown.width))
            if not mask.any():
                raise VeraError(f"the mask painted on '{photograph.name}' is empty: paint what is to be kept, or undo all strokes")
            files.append(photograph.parent / ".painted.png")  # as no photograph can be called
            write_png(files[-1], mask)
        return tuple(files)


def options_of(choices: Choices) -> Options:
    """The options of a call, as the command line makes them of the same choices."""
    classes, regions = split_classes([parse_region(name) for name in choices.preserve])
    return Options(
        preserve=classes,
        regions=regions,
        hair=choices.hair,
        face=choices.face,
        leave_others=choices.leave_others,
        upright="auto" if choices.upright else "refuse",
        kind=choices.kind,
        seed=choices.seed,
    )


def outline(landmarks: Points) -> list[list[float]]:
    """A ring around a face's landmarks: the jaw line, and the brows from right to left.

    Args:
        landmarks: ``(68, 2)`` of the face, in pixels.

    """
    return [[round(float(x), 1), round(float(y), 1)] for x, y in (*landmarks[:17], *landmarks[BROWS][::-1])]


def read_mask_file(out: Path, written: dict[str, str]) -> list[list[list[int]]]:
    """Outlines of the preserved region that was written; none where nothing was kept."""
    name = next(name for name in written if name.endswith(".preserved.png"))
    pixels = read_photograph(out / name).pixels
    return rings(np.asarray(pixels[:, :, 0] > 127))


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    """Turn every error that a user can mend into a VeraError of one sentence, as the command line does."""
    try:
        yield
    except Exception as error:
        said = sentence(error)
        if said is None or isinstance(error, VeraError):
            raise
        raise VeraError(printable(said)) from error
