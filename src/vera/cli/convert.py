"""``vera convert``: other projects' networks become bundles, and a parser's bundle a file for other projects."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vera.cli.app import PLAIN
from vera.cli.texts import Command

if TYPE_CHECKING:
    from vera.generator.published import Checkpoint

LICENCE = "CC-BY-NC-SA-4.0"
SOURCE = "SemanticStyleGAN (Shi, Yang, Wan, Shen; ByteDance; CVPR 2022), a checkpoint of the published code"

convert = typer.Typer(help="Convert another project's checkpoint to a bundle, or a parser's bundle to ONNX.", no_args_is_help=True, **PLAIN)


class Weights(StrEnum):
    """Choice of the generator in a checkpoint: averaged or in training."""

    AVERAGED = "g_ema"
    TRAINED = "g"


@convert.command(cls=Command)
def semanticstylegan(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT.pt", help="A checkpoint of the published SemanticStyleGAN code.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The generator's bundle to make; it must not exist.")],
    discriminator: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="Also make a bundle of its discriminator, here: to go on training takes both."),
    ] = None,
    weights: Annotated[Weights, typer.Option(help="The averaged generator, or the one in training.")] = Weights.AVERAGED,
) -> None:
    """Make a bundle of a published SemanticStyleGAN checkpoint.

    The weights stay float32, so that image and segmentation are the published network's. They are for non-commercial use only
    (CC BY-NC-SA 4.0), and so is the bundle. Only tensors and the list of arguments are read from the file: nothing in it can run.
    """
    import torch

    from vera import bundle
    from vera.generator.published import load_discriminator, load_generator, read_checkpoint
    from vera.types import VeraError

    if discriminator is not None and discriminator.resolve() == out.resolve():
        raise VeraError("--out and --discriminator name the same folder: a bundle holds one network")
    targets = [path for path in (out, discriminator) if path is not None]
    for path in targets:
        if path.exists():
            raise VeraError(f"'{path}' exists: a bundle is never overwritten; choose another folder or remove it")
    read = read_checkpoint(checkpoint)
    networks: dict[str, Any] = {weights.value: load_generator(read, weights.value)}
    if discriminator is not None:
        networks["d"] = load_discriminator(read)
    made: list[Path] = []
    try:
        for path, (name, network) in zip(targets, networks.items(), strict=True):
            card = _card(read, name, network.config)
            info = bundle.save(path, network, provenance=_provenance(read, name), licence=LICENCE, card=card, dtype=torch.float32)
            made.append(path)
            typer.echo(f"{info.path}: '{name}', {network.config['size']} px, {LICENCE} (non-commercial), digest {info.digest}")
    except BaseException:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        raise
    if discriminator is None and "d" in read.networks:
        typer.echo("the checkpoint also holds a discriminator: --discriminator BUNDLE makes a bundle of it")


@convert.command(cls=Command)
def onnx(
    parser: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A parser's bundle.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.onnx", help="The file to make; it must not exist.")],
) -> None:
    """Make an ONNX file of a trained parser, for other programs.

    Input: image (1, 3, S, S), an RGB face in the FFHQ alignment, in [-1, 1]. Output: probabilities (1, 13, S, S) of the classes, which the
    file's metadata names in their order.
    """
    from vera.faces.segmenter_onnx import write_onnx

    write_onnx(parser, out)
    typer.echo(f"{out}: written")


def _provenance(checkpoint: Checkpoint, network: str) -> dict[str, Any]:
    import torch

    from vera import __version__

    return {
        "source": SOURCE,
        "file": checkpoint.path.name,
        "sha256": checkpoint.digest,
        "network": network,
        "converter": "vera convert semanticstylegan",
        "versions": {"torch": torch.__version__, "vera": __version__},
    }


def _card(checkpoint: Checkpoint, network: str, config: dict[str, Any]) -> str:
    kind = "discriminator" if network == "d" else "generator"
    about = {"g_ema": "averaged over training", "g": "as it was in training", "d": "dual-branch"}[network]
    return f"""# Model card: a converted SemanticStyleGAN {kind}

**What it is.** The {kind} (`{network}`, {about}) of `{checkpoint.path.name}`, {config["size"]} px, {config["classes"]} classes,
in VerA's form: the same weights under other names, in float32. Source: {SOURCE}. SHA-256 of the file: `{checkpoint.digest}`.

**How it was trained.** Not by this project. The file does not say on what; the authors' own networks were trained on CelebAMask-HQ, whose
terms allow non-commercial research and education only.

**Licence.** {LICENCE}: **not for commercial use**; name the authors, and share what is made from it alike. The converter assumes the
licence of the authors' release; it knows of no other.

**Made for.** Research: sampling, further training, comparison. The faces it draws follow people in its training data, and may look like
one of them; nothing of that was measured here.
"""
