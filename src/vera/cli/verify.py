"""``vera verify``: compare an output folder with its audit and with the source photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vera.cli.anonymize import Device

if TYPE_CHECKING:
    from vera.anonymization.recheck import Rechecker


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that `vera anonymize --out` wrote, with its audit.json.")],
    sources: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the photographs; without it they are looked for by name beside FOLDER."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Head of the audit's chain, as an earlier call told it and you kept it.")
    ] = None,
    recogniser: Annotated[
        list[str] | None,
        typer.Option(metavar="WHICH", help="A further recogniser that took part: .onnx file or insightface:PACK; repeatable."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Device that the networks run on.")] = Device.cpu,
) -> None:
    """Check an output folder again: files, preserved pixels, regions, recognisers and the audit's chain.

    Writes PASS, or a line for each fault (exit code 3). What could not be checked is told on stderr.
    """
    from vera.cli.record import AUDIT, Obstacle, read_audit
    from vera.types import Refused, VeraError

    try:
        audit = read_audit(folder / AUDIT, own=False)
    except (Obstacle, OSError) as error:
        advice = "name the folder that vera anonymize wrote, or use the version of VerA that wrote it"
        raise VeraError(f"{folder / AUDIT} is not an audit that this VerA can read: {advice}") from error
    if audit is None:
        raise VeraError(f"there is no {folder / AUDIT}: name the folder that vera anonymize wrote")
    if sources and not sources.is_dir():
        raise VeraError(f"--sources {sources} is no folder: name the folder of the photographs")
    from vera.cli.assembly import require_device
    from vera.cli.inspection import Originals, inspect
    from vera.files import printable

    require_device(device.value)
    found = inspect(folder, audit, Originals(folder, sources), recheckers(recogniser or (), device.value))
    now = audit.get("chain", {}).get("head")
    if head and head.lower() != now:
        found.faults.insert(0, f"the head of the audit's chain is {now}, not {head}: another call wrote here, or records were changed")
    for note in found.notes:
        typer.echo(f"note: {printable(note)}", err=True)
    for fault in found.faults:
        typer.echo(printable(fault))
    if found.faults:
        raise Refused(f"{folder} is not as VerA wrote it: {len(found.faults)} fault{'s' if found.faults[1:] else ''}, told above")
    typer.echo(
        f"PASS: {found.pictures} pictures as they were written, {found.compared} of them compared with their sources, "
        f"{found.judged} people judged again by the recognisers; head of the chain: {now}"
    )


def recheckers(recognisers: Sequence[str], device: str) -> Callable[[float], Rechecker]:
    """A function that gives the recognisers with the thresholds of a false-accept rate, loaded once for each rate.

    Args:
        recognisers: names or paths of further recognisers.
        device: device of the networks, ``cpu`` or ``cuda``.

    """
    from vera.anonymization.recheck import Rechecker
    from vera.faces.detection import DlibDetector
    from vera.faces.recogniser_choice import choose_recognisers
    from vera.faces.turns import quick_detectors

    @cache
    def rechecker(far: float) -> Rechecker:
        detector = DlibDetector()
        judges = choose_recognisers(recognisers, far=far, device=device)
        return Rechecker(detector=detector, recognisers=judges, others=quick_detectors(detector))

    return rechecker
