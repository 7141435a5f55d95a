"""Do two checkouts of this repository compute the same? Bundles, training, export, resume, reports, evaluation, the demo, bit for bit.

    python tests/compare_checkouts.py OLD NEW [--skip pictures traces2 ...] [--stages generator parser ...]

Both run with this interpreter's packages; each imports its own ``src/vera`` and ``conf``. Exit code 1 on any difference. What OLD leaves
behind (run folders, checkpoints, bundles, sweeps, evaluations, stored results) is also read by NEW: old runs must stay of use. Some
twenty minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHECKOUT = "VERA_COMPARED_CHECKOUT"
"""Environment variable: with it this script is the ``vera`` command of that checkout, for its own processes and those that they start."""
STAGES = {
    "autoencoder": ["experiment=smoke", "images=48", "batch_size=8"],
    "adversarial": ["experiment=smoke", "stage.adversary=true", "discriminator=tiny", "images=32", "batch_size=8"],
    "generator": ["experiment=smoke_generator", "images=32", "callbacks.curve.images=8", "callbacks.curve.batch=4"],
    "contrastive": ["experiment=smoke_contrastive", "images=16", "batch_size=8", "~callbacks.curve"],
    "inversion": ["experiment=smoke_inversion", "images=32", "batch_size=8"],
    "parser": ["experiment=smoke_parser", "images=32"],
}
"""The smoke run of each stage, shortened."""
QUICK = ["~callbacks.progress", "~callbacks.throughput", "trainer.log_every_n_steps=1"]
TWO = ["trainer=ddp_gan", "trainer.accelerator=cpu", "trainer.devices=2"]
EXPORTED = ("autoencoder", "generator", "contrastive", "parser")
CHANGES = ("seconds", "seconds_in_all", "versions", "git", "at", "started", "command", "software", "chain")
"""Fields of an audit that differ from call to call, or with the version; the chain holds digests of them."""


def vera() -> None:
    """Be the command line of the checkout that the environment names; ``-c CODE`` runs code there."""
    checkout = Path(os.environ[CHECKOUT])
    sys.path.insert(0, str(checkout / "src"))
    conf = checkout / "conf"
    spec = importlib.util.spec_from_file_location("vera.conf", conf / "__init__.py", submodule_search_locations=[str(conf)])
    assert spec is not None
    import vera as package

    assert Path(package.__file__).is_relative_to(checkout), package.__file__
    sys.modules["vera.conf"] = importlib.util.module_from_spec(spec)
    if sys.argv[1] == "-c":
        exec(sys.argv[2], {"ARGUMENTS": sys.argv[3:]})  # code of this file, below
        return
    from vera.cli import main

    main()


def call(checkout: Path, *arguments: object) -> str:
    """Run ``vera`` of a checkout; its standard output.

    Raises:
        SystemExit: it failed.

    """
    environment = {**os.environ, CHECKOUT: str(checkout), "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        asked = " ".join(map(str, arguments))[:200]
        raise SystemExit(f"{checkout}: vera {asked} left with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


TENSORS = """
import hashlib, json, sys
import torch
from pathlib import Path
def digest(tensors):
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode() + value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]
"""
BUNDLES = f"""{TENSORS}
from vera import bundle
found = {{}}
for path in sorted(Path(bundle.__file__).parent.glob("assets/*/bundle.json")):
    network = bundle.load(path.parent)
    found[path.parent.name] = [bundle.read(path.parent)["digest"], type(network).__qualname__, digest(network.state_dict())]
print(json.dumps(found))
"""
CHECKPOINT = f"""{TENSORS}
saved = torch.load(ARGUMENTS[0], weights_only=True, map_location="cpu")
print(json.dumps([digest(saved["vera"]["ema"]), saved["vera"]["images_seen"]]))
"""
UNTRAINED = """
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from vera import bundle
from vera.inversion.autoencoder import Autoencoder
with initialize_config_module("vera.conf", version_base="1.3"):
    config = OmegaConf.to_container(compose("train", ["run.folder=unused", "generator=tiny", "encoder=tiny"]))
torch.manual_seed(0)
network = Autoencoder(generator=config["generator"], encoder=config["encoder"], bank=0)
bundle.save(ARGUMENTS[0], network, provenance={}, licence="CC0-1.0", card="#", dtype=torch.float32)
"""


DEMO = "import runpy, sys; sys.argv = ARGUMENTS; runpy.run_path(ARGUMENTS[0], run_name='__main__')"
"""The checkout's own demo: a pair of photographs, anonymized by both renderers, and measured."""


def short(value: object) -> str:
    """A digest of anything that JSON or text can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def bundles(checkout: Path) -> dict[str, str]:
    """The shipped bundles: their digests, and the numbers that are loaded."""
    return {f"bundle {name}": short(facts) for name, facts in json.loads(call(checkout, "-c", BUNDLES)).items()}


def trace(folder: Path) -> dict[str, list[str]]:
    """What a run logged, by column, without how fast it was."""
    with (folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0] if not name.startswith(("speed/", "memory/"))}


def traces(checkout: Path, scratch: Path, stages: list[str], start: Path, processes: int) -> dict[str, str]:
    """Each stage's smoke run: every logged number, and the averaged network at the end."""
    found = {}
    for stage in stages:
        folder = scratch / f"{stage}{processes}"
        overrides = [*STAGES[stage], *QUICK, *(TWO if processes == 2 else []), f"run.folder={folder}", f"hydra.run.dir={folder}/hydra"]
        call(checkout, "train", *overrides, *([f"stage.start={start}"] if stage == "inversion" else []))
        found |= {f"{stage}, {processes} processes: {name}": short(values) for name, values in trace(folder).items()}
        found[f"{stage}, {processes} processes: averaged network"] = call(checkout, "-c", CHECKPOINT, folder / "last.ckpt").strip()
    return found


def exports(checkout: Path, scratch: Path, old: Path, stages: list[str]) -> dict[str, str]:
    """Bundles from the runs of the old checkout."""
    found = {}
    (scratch / "card.md").write_text("# card\n")
    for stage in stages:
        out = scratch / f"bundle-{stage}"
        stated = ["--data", "procedural", "--licence", "CC0-1.0", "--card", scratch / "card.md", "--float32"]
        call(checkout, "export", old / f"{stage}1", "--out", out, *stated)
        found[f"export {stage}"] = str(json.loads((out / "bundle.json").read_text())["digest"])[:16]
    return found


def resumes(checkout: Path, scratch: Path, old: Path, stages: list[str], start: Path) -> dict[str, str]:
    """Runs that go on from the old checkout's checkpoints."""
    found = {}
    for stage in stages:
        folder = scratch / f"{stage}-resumed"
        overrides = [*STAGES[stage], *QUICK, "images=64", f"run.resume={old / f'{stage}1' / 'last.ckpt'}", f"run.folder={folder}"]
        call(checkout, "train", *overrides, f"hydra.run.dir={folder}/hydra", *([f"stage.start={start}"] if stage == "inversion" else []))
        found[f"resume {stage}"] = call(checkout, "-c", CHECKPOINT, folder / "last.ckpt").strip()
    return found


def reports(checkout: Path, scratch: Path, stored: Path, sweep: Path) -> dict[str, str]:
    """Tables of the results that the old checkout has stored, and of a sweep that it ran."""
    found = {}
    for path in sorted(stored.glob("experiments/**/results.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if all({"measures", "anonymizer", "provenance"} <= set(line) for line in lines):
            folder = scratch / path.parent.relative_to(stored / "experiments")
            folder.mkdir(parents=True, exist_ok=True)  # results may lie beside folders of further results
            (folder / "results.jsonl").write_bytes(path.read_bytes())
            found[f"report {folder.relative_to(scratch)}"] = short(call(checkout, "report", folder))
    return found | {"report of a sweep": short(call(checkout, "report", sweep))}


def astronaut(folder: Path) -> Path:
    """scikit-image's portrait of Eileen Collins (NASA, public domain) as a file."""
    import skimage.data
    import skimage.io

    photograph = folder / "astronaut.png"
    skimage.io.imsave(photograph, skimage.data.astronaut(), check_contrast=False)
    return photograph


def evaluations(checkout: Path, scratch: Path, old: Path) -> dict[str, str]:
    """An evaluation of one's own, and the old checkout's, gone on with: nothing of it may be made again."""
    photograph = astronaut(scratch)
    table = scratch / "pairs.csv"
    table.write_text(f"person,role,path\na,before,{photograph.name}\na,after,{photograph.name}\n")
    found = {}
    for name in ("evaluation", "evaluation gone on with"):
        folder = scratch / name.replace(" ", "_")
        if name != "evaluation":
            shutil.copytree(old / "evaluation", folder)
        items = _items(folder)
        call(checkout, "evaluate", f"people.path={table}", "anonymizer=[blur,pixelate]", "preserve=[mouth]", f"run.folder={folder}")
        for line in (json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()):
            figures = {key: line[key] for key in ("people", "photographs", "measures")}
            found |= {f"{name} {line['anonymizer']} {key}": short(value) for key, value in _steady(figures, str(scratch))}
        found[f"{name}: items made"] = str(_items(folder) - items)
        told = call(checkout, "report", folder).splitlines()
        steady = [line for line in told if "seconds" not in line and "states of the code" not in line]  # differ by nature
        found[f"{name}: report"] = short("\n".join(steady).replace(str(scratch), ""))
    return found


def _items(folder: Path) -> int:
    """Number of finished items in the ledgers of an evaluation."""
    lines = (line for path in folder.rglob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines())
    return sum(json.loads(line).get("kind") == "item" for line in lines)


def pictures(checkout: Path, scratch: Path) -> dict[str, str]:
    """What each way of anonymizing makes of a portrait, and random faces."""
    photograph = astronaut(scratch)
    ways: dict[str, list[object]] = {name: ["--renderer", name, "--seed", 4] for name in ("exemplars", "generator")}
    ways["cover"] = ["--method", "cover"]
    found = {}
    for name, way in ways.items():
        call(checkout, "anonymize", photograph, *way, "--person", "p", "--preserve", "mouth", "--out", scratch / name)
        audit = json.loads(next((scratch / name).rglob("audit*.json")).read_text(encoding="utf-8"))
        found |= {f"audit {name} {key}": short(value) for key, value in _steady(audit, str(scratch))}
    call(checkout, "sample", "--n", 2, "--out", scratch / "drawn")
    return _images(scratch) | found


def demo(checkout: Path, scratch: Path) -> dict[str, str]:
    """What ``make demo`` writes."""
    call(checkout, "-c", DEMO, checkout / "experiments" / "demo" / "run.py", "--out", scratch)
    measured = json.loads((scratch / "measured.json").read_text(encoding="utf-8"))
    return _images(scratch) | {f"demo {key}": short(value) for key, value in _steady(measured, str(scratch))}


def _images(folder: Path) -> dict[str, str]:
    """Digests of the images in a folder, by their place in it."""
    found = sorted(folder.rglob("*.png"))
    return {f"picture {folder.name} {path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in found}


def _steady(value: Any, scratch: str, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in CHANGES:
                yield from _steady(part, scratch, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for number, part in enumerate(value):
            yield from _steady(part, scratch, f"{name}.{number}")
    else:
        yield name, json.loads(json.dumps(value).replace(scratch, ""))


def compared(checkout: Path, root: Path, own: Path, wanted: list[str], stages: list[str], stored: Path) -> dict[str, str]:
    """All results of one side. Those of the old one are kept beside its files, and not made again where they are.

    Args:
        checkout: what computes.
        root: the comparison's folder; the old checkout's files are in ``old``.
        own: this side's folder.
        wanted: names of the checks.
        stages: names of the training stages.
        stored: the old checkout, whose stored results are read.

    """
    start, sweep, old = root / "start", root / "sweep", root / "old"
    exported = [stage for stage in EXPORTED if stage in stages]
    work: dict[str, Callable[[Path], dict[str, str]]] = {
        "bundles": lambda folder: bundles(checkout),
        "traces1": lambda folder: traces(checkout, folder, stages, start, 1),
        "traces2": lambda folder: traces(checkout, folder, stages, start, 2),
        "exports": lambda folder: exports(checkout, folder, old / "traces1", exported),
        "resumes": lambda folder: resumes(checkout, folder, old / "traces1", stages, start),
        "reports": lambda folder: reports(checkout, folder, stored, sweep),
        "evaluations": lambda folder: evaluations(checkout, folder, old / "evaluations"),
        "pictures": lambda folder: pictures(checkout, folder),
        "demo": lambda folder: demo(checkout, folder),
    }
    found: dict[str, str] = {}
    for check in wanted:
        kept, folder = own / f"{check}.json", own / check
        if own != old or not kept.is_file():
            sys.stderr.write(f"{checkout}: {check}\n")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if check in ("traces1", "traces2") and not start.exists():
                call(checkout, "-c", UNTRAINED, start)
            if check == "reports" and not sweep.exists():
                call(checkout, "train", "-m", *STAGES["autoencoder"], *QUICK, "images=16", "seed=0,1", f"hydra.sweep.dir={sweep}")
            kept.write_text(json.dumps(work[check](folder)))
        found |= json.loads(kept.read_text())
    return found


def main() -> int:
    """Compare, print a table, and say by the exit code whether all is equal."""
    checks = ("bundles", "traces1", "traces2", "exports", "resumes", "reports", "evaluations", "pictures", "demo")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--skip", nargs="*", choices=checks, default=[], help="checks that are left out; exports and resumes need traces1")
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--all", action="store_true", help="show equal lines, too")
    parser.add_argument("--keep", type=Path, help="folder for what is written; the old results in it are not made again")
    given = parser.parse_args()
    wanted = [check for check in checks if check not in given.skip and not (check in ("exports", "resumes") and "traces1" in given.skip)]
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        root = given.keep.resolve() if given.keep else Path(temporary)
        stored = given.old.resolve()
        old = compared(stored, root, root / "old", wanted, given.stages, stored)
        new = compared(given.new.resolve(), root, root / "new", wanted, given.stages, stored)
    names = list(dict.fromkeys([*old, *new]))
    differing = [name for name in names if old.get(name) != new.get(name)]
    for name in names if given.all else differing:
        mark = "DIFFERENT" if name in differing else "equal"
        sys.stdout.write(f"{mark:9}  {name:60}  {old.get(name, 'absent'):34}  {new.get(name, 'absent')}\n")
    sys.stdout.write(f"{len(names) - len(differing)} of {len(names)} results are equal\n")
    return int(bool(differing) or not names)


if __name__ == "__main__":
    if CHECKOUT in os.environ:
        vera()
    else:
        sys.exit(main())
