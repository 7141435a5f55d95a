"""What of a photograph stays when its identity is replaced, in a bundle that was trained on drawn faces: the dual space at work.

python experiments/paper/dual.py --bundle BUNDLE --out DIR [--faces N]

Drawn faces of people that were not trained on are encoded, and the codes put together as `vera anonymize` does it: an identity in the
place of the replaced classes' local codes, here of all but surroundings and hair. A probe (a small network trained on labelled drawn
faces, that neither generator nor encoder ever saw) reads yaw, smile and light from what the generator makes of the codes, and is
compared with the photograph's true values by rank correlation. Surroundings and hair carry some of them, too: so the attribute codes of a
photograph A are also put together with the other codes of a photograph B. What reads as in A comes from the attribute codes. How much of
the probe's readings a code explains in random faces (R2) says whether the generator learnt it, before any encoder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vera.anonymization.assembly import assemble, kept_rows
from vera.anonymization.identity import draw
from vera.bundle import load
from vera.data.procedural import ProceduralFaces
from vera.evaluation.measures.controls import AttributeControl, Reading, separability
from vera.evaluation.measures.probe import NAMES, ProceduralProbe, labelled
from vera.files import write_whole
from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, Semantic

SEED, BATCH, RANDOM = 1000, 50, 1000
"""Seed of the people (another one than in training), faces at once, and random faces that show what a code controls."""
TAUGHT: dict[str, int] = {"faces": 4000, "epochs": 16, "seed": 77}
"""How the probe learns."""
MEANT = {"yaw": "pose", "smile": "expression", "light": "illumination"}
"""The attribute whose code should carry what the probe reads."""


def main(arguments: list[str] | None = None) -> int:
    """Encode, replace, read, and write ``results.json``; the exit code says whether the codes are put together as described."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="of a generator of stage 2 with its encoder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--faces", type=int, default=300, help="number of people")
    chosen = parser.parse_args(arguments)
    network: Autoencoder = load(chosen.bundle)
    with torch.no_grad():
        results = measured(network, chosen.faces)
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_whole(chosen.out / "results.json", (json.dumps(results, indent=2) + "\n").encode())
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0 if results["attribute codes are the photograph's"] and results["replaced classes have the identity's codes"] else 1


def measured(network: Autoencoder, faces: int) -> dict[str, Any]:
    """The contract on all faces, and what the probe reads."""
    probe = ProceduralProbe(size=network.size)
    with torch.enable_grad():
        reads = probe.learn(**TAUGHT)
    images, truth = labelled(network.size, faces, SEED)
    drawn = ProceduralFaces(size=network.size, count=faces, seed=SEED)
    labels = torch.stack([drawn[number]["labels"] for number in range(faces)]).long()
    segmentations = F.one_hot(labels, len(Semantic)).movedim(-1, 1).float()
    parts = [network.encode(*some) for some in zip(images.split(BATCH), segmentations.split(BATCH), strict=True)]
    codes = LatentCodes(torch.cat([part.local for part in parts]), torch.cat([part.attributes for part in parts]))

    kept = kept_rows((), hair=False, rows=len(network.mean), attributes=bool(network.generator.attributes))
    identities = torch.stack([identity(network, number, one) for number, one in enumerate(codes.local)])
    anonymized = [assemble(one, new, kept[None]) for one, new in zip(singly(codes), identities, strict=True)]
    local, attributes = (torch.cat([getattr(one, name) for one in anonymized]) for name in ("local", "attributes"))
    exchanged = attributes.roll(1, dims=0), truth.roll(1, dims=0)

    def read(local: Tensor, attributes: Tensor) -> Tensor:
        some = zip(local.split(BATCH), attributes.split(BATCH), strict=True)
        made = torch.cat([network.generator(LatentCodes(*codes)).image.clamp(-1, 1) for codes in some])
        return probe(made, made)

    explained = separability(Reading(network.generator, {"probe": probe}, faces=RANDOM, batch=BATCH, seed=1))
    seen = read(local, exchanged[0])
    return {
        "people": faces,
        "attribute codes are the photograph's": torch.equal(attributes, codes.attributes),
        "replaced classes have the identity's codes": torch.equal(local[:, ~kept], identities[:, ~kept]),
        "kept classes have the photograph's codes": torch.equal(local[:, kept], codes.local[:, kept]),
        "rows of the identity": int((~kept).sum()),
        "rows of the photograph": int(kept.sum()),
        "the probe's R2 on drawn faces": rounded(reads),
        "R2 of the attribute's own code in random faces": rounded({name: explained[code][name] for name, code in MEANT.items()}),
        "photograph's codes": correlations(truth, read(codes.local, codes.attributes)),
        "identity replaced": correlations(truth, read(local, attributes)),
        "codes of A and B, read against A": correlations(exchanged[1], seen),
        "codes of A and B, read against B": correlations(truth, seen),
    }


def singly(codes: LatentCodes) -> list[LatentCodes]:
    """Codes of a batch as batches of one."""
    return [LatentCodes(*pair) for pair in zip(codes.local.split(1), codes.attributes.split(1), strict=True)]


def identity(network: Autoencoder, number: int, own: Tensor) -> Tensor:
    """``(2 + 2K, D)``: the local codes of a new identity for a person.

    Args:
        network: holds the bank.
        number: of the person.
        own: ``(2 + 2K, D)``, the local codes of the person's photograph.

    """
    skin, truncation = own[LatentCodes.rows([Semantic.SKIN])[1]], network.truncation
    drawn = draw(network.bank, network.mean, skin=skin, bundle="", seed=0, person=f"person {number}", attempt=1, truncation=truncation)
    return drawn.local


def correlations(true: Tensor, seen: Tensor) -> dict[str, float]:
    """Spearman's rank correlation of each quantity."""
    found = {}
    for column, name in enumerate(NAMES):
        metric = AttributeControl()
        metric.update(true[:, column], seen[:, column])
        found[name] = metric.compute()["rank_correlation"]
    return rounded(found)


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Values as they are published."""
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
