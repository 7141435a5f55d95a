"""``vera anonymize``: photographs in, verified photographs and an audit out."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Device(StrEnum):
    """Device that the networks run on."""

    cpu = "cpu"
    cuda = "cuda"


class RendererName(StrEnum):
    """Renderer of the new face."""

    exemplars = "exemplars"
    generator = "generator"


class HidingMethod(StrEnum):
    """Way of hiding the face where no new one is wanted."""

    cover = "cover"
    blur = "blur"
    pixelate = "pixelate"


class Format(StrEnum):
    """Format of the anonymized photographs."""

    png = "png"
    dicom = "dicom"


class EngineName(StrEnum):
    """Engine that runs the workers of an archive."""

    processes = "processes"
    ray = "ray"


class Upright(StrEnum):
    """Treatment of a photograph whose face is found in another quarter turn."""

    refuse = "refuse"
    auto = "auto"


class Handling(StrEnum):
    """Treatment of a photograph that the renderer cannot make."""

    refuse = "refuse"
    cover = "cover"
    keep = "keep"


def _place(text: str) -> Path:
    from vera.data.remote import place  # only now: the help needs no data sets

    return place(text)


def anonymize(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for NAME.png or NAME.dcm, NAME.preserved.png, audit.json.")],
    photographs: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO...", help="All photographs of ONE person, the folder of them, or one short clip.")
    ] = None,
    preserve: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="Part kept bit for bit: a class (mouth), a region (chin; `vera regions` lists them) or a mask file; repeatable.",
        ),
    ] = None,
    person: Annotated[str | None, typer.Option(metavar="ID", help="The person's ID; another ID gives another face.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the new face, together with the ID; random by default.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Identity group of the new face (female, male); that of the photographs by default."),
    ] = None,
    identity: Annotated[Path | None, typer.Option(metavar="FILE", help="Use the face of an earlier visit.")] = None,
    save_identity: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the face for a later visit.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            parser=_place, metavar="CSV", help="Table of many people (file or address): columns person and path; optional role, mask, view."
        ),
    ] = None,
    face: Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of the face, 1 = the largest; needs --leave-others.")] = None,
    landmarks: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Place of a face that is not found (68 landmarks or a box); for one photograph.")
    ] = None,
    leave_others: Annotated[bool, typer.Option("--leave-others", help="Leave the other faces alone: they stay recognisable.")] = False,
    upright: Annotated[
        Upright, typer.Option(help="Treatment of a turned photograph: refuse it, or turn it upright; its output stays upright.")
    ] = Upright.refuse,
    unsupported: Annotated[
        Handling,
        typer.Option(
            help="Treatment of photographs that no face can be made for (profile): refuse; cover in black; or keep, if no face is in it."
        ),
    ] = Handling.refuse,
    hair: Annotated[bool, typer.Option("--hair/--keep-hair", help="Replace the hair, too (not with exemplars), or keep it.")] = False,
    format: Annotated[
        Format | None, typer.Option(help="Format of the outputs; by default DICOM for DICOM photographs and PNG for all others.")
    ] = None,
    rename: Annotated[bool, typer.Option("--rename", help="Neutral output names and person labels.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier call over other photographs wrote.")] = False,
    mark: Annotated[
        bool, typer.Option("--mark/--no-mark", help="Write into each PNG, as XMP, that it was made by an algorithm and by which tool.")
    ] = True,
    c2pa_certificate: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Sign each PNG by a C2PA manifest: your certificate, then its issuers'; needs --c2pa-key."),
    ] = None,
    c2pa_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The certificate's private key; a passphrase is read from VERA_C2PA_PASSPHRASE.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write a contact sheet and a page for each person: PASS, REVIEW or REFUSED, and why.")
    ] = False,
    method: Annotated[
        HidingMethod | None,
        typer.Option(help="Hide the face instead of drawing a new one, for publications that forbid generated pictures."),
    ] = None,
    renderer: Annotated[
        RendererName | None, typer.Option(help="Photographic exemplars (the default), or the generator of the paper.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="PATH", help="Another bank of exemplars, or a trained network.")] = None,
    refine_steps: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Steps of optimisation that invert the photographs; generator only, 400 without an encoder."),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH", help="Parser that finds the classes: shipped (the default), landmarks, a parser's bundle or .onnx file."
        ),
    ] = None,
    recogniser: Annotated[
        list[str] | None,
        typer.Option(metavar="WHICH", help="A further recogniser that searches and verifies: .onnx file or insightface:PACK; repeatable."),
    ] = None,
    far: Annotated[
        float, typer.Option(metavar="RATE", help="False-accept rate of the recognisers' thresholds: 0.01, 0.001 or 0.0001.")
    ] = 0.001,
    device: Annotated[Device, typer.Option(help="Device that the networks run on.")] = Device.cpu,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of processes for a manifest; a stopped call continues where it was.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads of each worker; by default the cores are divided among the workers.")
    ] = None,
    per_folder: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PEOPLE", help="People in each of the folders DIR/00000, DIR/00001, ... of a manifest; each has its own audit."
        ),
    ] = None,
    engine: Annotated[
        EngineName | None, typer.Option(help="Engine that runs the workers: processes on this machine (the default), or Ray.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="WHERE", help="Address of a running Ray cluster, such as auto; without it Ray is started on this machine."),
    ] = None,
) -> None:
    """Anonymize the photographs of one person, or of many people by a manifest.

    Nothing is written for a person whose result does not pass the verification (exit code 3).
    """
    from vera.anonymization.request import Options
    from vera.cli.output import OutputFolder
    from vera.cli.plan import files_within, network_kind, parse_preserve, plan_call
    from vera.cli.roles import photographs_of
    from vera.data.remote import Address
    from vera.faces.content_credentials import check_credentials
    from vera.faces.given_face import read_given
    from vera.types import VeraError

    if identity and seed is not None:
        raise VeraError("--identity and --seed were both given: a saved face is not drawn again, leave one of them out")
    if identity and kind is not None:
        raise VeraError("--identity and --kind were both given: a saved face has its kind, leave one of them out")
    drawing = {"--renderer": renderer, "--bundle": bundle, "--seed": seed, "--kind": kind, "--identity": identity}
    drawing |= {"--refine-steps": refine_steps}
    if method and (needless := [name for name, given in (drawing | {"--save-identity": save_identity}).items() if given is not None]):
        raise VeraError(f"--method {method.value} draws no new face, so {needless[0]} means nothing: leave one of the two out")
    classes, regions, masks = parse_preserve(preserve or ())
    photographs, roles = photographs_of(photographs or (), masks=masks, out=out)
    given = read_given(landmarks) if landmarks else None
    credentials = check_credentials(c2pa_certificate, c2pa_key, mark=mark)
    signing = [file for file in (c2pa_certificate, c2pa_key) if file]
    kept = Options(preserve=classes, regions=regions, hair=hair, refine_steps=refine_steps or 0)
    options = replace(kept, face=face, given=given, leave_others=leave_others, upright=upright.value, kind=kind, seed=seed)
    options = replace(options, unsupported=unsupported.value)
    network = None if method else network_kind(bundle, renderer.value if renderer else None)
    if network:
        options.require_inversion(network, bundle or "")
    parts: dict[str, Any] = {"renderer": renderer.value if renderer else None, "method": method.value if method else None, "parser": parser}
    networks = files_within(bundle, *(Path(file) for file in (parser, *(recogniser or ())) if file))
    settings = {"--workers": workers, "--threads": threads, "--per-folder": per_folder, "--engine": engine, "--address": address}
    settings["--manifest with an address"] = str(manifest) if isinstance(manifest, Address) else None
    if any(value is not None for value in settings.values()):
        from vera.cli.archive import Archive, anonymize_archive, require_archive
        from vera.cli.loading import AnonymizerLoader

        one = {"a photograph": photographs, "--person": person, "--identity": identity, "--save-identity": save_identity, "a mask": masks}
        table = require_archive(settings, manifest, one, report=report)
        options.require_fits(2)
        loader = AnonymizerLoader(options, device.value, bundle, **parts, recognisers=tuple(recogniser or ()), far=far)
        told: dict[str, Any] = {"rename": rename, "format": format.value if format else None, "overwrite": overwrite, "mark": mark}
        told["credentials"] = credentials
        archive = Archive(table, out, loader, per_folder=per_folder, sources=(*signing, *networks), **told)
        anonymize_archive(archive, workers=workers or 1, threads=threads, ray=engine == EngineName.ray, address=address)
        return
    people = plan_call(
        photographs,
        manifest,
        options=options,
        person=person,
        masks=masks,
        rename=rename,
        identity=identity or save_identity,
        roles=roles,
        format=format.value if format else None,
        signed=credentials is not None,
    )
    if any(entry.clip for known in people for entry in known.entries):
        options.require_clip()
        if report or credentials:
            raise VeraError(f"{'--report' if report else '--c2pa-certificate'} is for photographs: leave it out for a clip")
        if not method and network != "ExemplarBank":
            raise VeraError("a generator works on single photographs: take exemplars for a clip (leave out --renderer and --bundle)")
    sources = [file for known in people for entry in known.entries for file in (entry.path, *entry.masks)]
    sources += [*signing, *(file for file in (manifest, identity, landmarks) if file), *networks]
    folded: dict[str, Any] = {"identity": save_identity, "mark": mark, "report": report, "credentials": credentials}
    with OutputFolder(out, people, sources=sources, overwrite=overwrite, **folded) as folder:
        if network == "ExemplarBank":
            from vera.cli.threads import work_alone

            work_alone(os.environ)
        from vera.cli import batch  # only now torch and the networks: all that was refused so far was refused at once
        from vera.cli.assembly import assemble, load_identity

        anonymizer = assemble(bundle, device.value, options, **parts, recognisers=recogniser or (), far=far)
        batch.run(people, folder, anonymizer, identity=load_identity(identity), save_identity=save_identity)
