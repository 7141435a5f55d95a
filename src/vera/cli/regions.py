"""``vera regions``: which regions a photograph has that ``--preserve`` can name, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vera.anonymization.preview import Preview
    from vera.anonymization.request import Options
    from vera.faces.detection import Detector
    from vera.faces.parsing import Parser
    from vera.faces.turns import TurnDetector
    from vera.types import Photograph


def regions(
    photograph: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photograph of one face.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PNG", help="A new picture of the regions; it shows the face: for the clinic only.")
    ] = None,
    face: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of the face, 1 = the largest.")] = None,
    landmarks: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Place of a face that is not found (68 landmarks or a box).")
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Parser that finds the classes: shipped (the default), landmarks, a parser's bundle or .onnx file."
        ),
    ] = None,
) -> None:
    """Show the regions of a face that --preserve can name.

    Lists each with its pixels, or why it is not there. Left and right are the patient's: the left eye is on the right of the picture.
    The picture of --out shows the patient, recognisably: it is a preview for yourself, and no result.
    """
    from vera.types import VeraError

    if out and (out.suffix.lower() != ".png" or out.exists()):
        raise VeraError(f"--out {out} is there already, or is no .png: name a new PNG file")
    found = preview(photograph, face, parser, landmarks)
    for number, (name, mask) in enumerate(found.masks.items(), 1):
        told = f"not there: {found.missing[name]}" if mask is None else f"{int(mask.sum()):>9,} pixels"
        typer.echo(f"{number:2}  {name:20} {told}")
    typer.echo(f"one eye distance, a margin of 1 or about 63mm, is {found.unit:.0f} pixels here", err=True)
    if out:
        from vera.faces.photograph import write_png

        write_png(out, found.drawn())
        typer.echo(f"{out} shows the patient's face: keep it in the clinic", err=True)


def preview(path: Path, face: int | None, parser: str | None, landmarks: Path | None = None) -> Preview:
    """The regions of a photograph's face.

    Args:
        path: file of the photograph.
        face: number of the face, from 1, in a photograph of several.
        parser: name or path of a face parser; None for the packaged one.
        landmarks: file that says where the face is; None: it is looked for.

    """
    from vera.anonymization.request import Options
    from vera.faces.detection import DlibDetector
    from vera.faces.given_face import read_given
    from vera.faces.parser_choice import choose_parser
    from vera.faces.photograph import read_photograph
    from vera.faces.turns import quick_detectors

    given = read_given(landmarks) if landmarks else None
    detector, options = DlibDetector(), Options(face=face, leave_others=face is not None, given=given)
    return preview_by(read_photograph(path), options, detector=detector, others=quick_detectors(detector), parser=choose_parser(parser))


def preview_by(photograph: Photograph, options: Options, *, detector: Detector, others: Sequence[TurnDetector], parser: Parser) -> Preview:
    """The regions of a photograph's face, by parts that are loaded already.

    Args:
        photograph: the photograph that shows the face.
        options: options that choose the face.
        detector: face detector with 68 landmarks.
        others: further detectors, which look for turned faces.
        parser: parser that segments the aligned face.

    """
    from vera.anonymization.preview import Preview
    from vera.anonymization.scene import PARSING_SIZE, find_face
    from vera.faces.alignment import align

    chosen = find_face(detector, photograph, options, others)
    aligned = align(photograph, chosen.face.landmarks, PARSING_SIZE)
    return Preview(photograph, aligned, parser.parse(aligned).detach().float().cpu())
