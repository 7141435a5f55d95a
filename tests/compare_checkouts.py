"""Do two checkouts of this repository compute the same? Bundles, training, export, resume, reports, evaluation, the demo, bit for bit.

    python tests/compare_checkouts.py OLD NEW [--skip pictures traces2 ...] [--stages generator parser ...]

Both run with this interpreter's packages; each imports its own ``src/vera`` and ``conf``. Exit code 1 on any difference. What OLD leaves
behind (run folders, checkpoints, bundles, sweeps, evaluations, stored results) is also read by NEW: old runs must stay of use.

Both sides compute at the same time, one thread each; what needs no process of its own shares one, since a start takes longer than the
shortened runs. Some eleven minutes of processor time in all.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import importlib.util
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

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
FURTHER = "images=64"
"""How long a resumed run is."""
TWO = ["trainer=ddp_gan", "trainer.accelerator=cpu", "trainer.devices=2"]
EXPORTED = ("autoencoder", "generator", "contrastive", "parser")
CHANGES = ("seconds", "seconds_in_all", "versions", "git", "at", "started", "command", "software", "chain")
"""Fields of an audit that differ from call to call, or with the version; the chain holds digests of them."""


def vera() -> None:
    """Be the command line of the checkout that the environment names; ``-c NAME ARGUMENT...`` runs one of :data:`WITHIN` there."""
    checkout = Path(os.environ[CHECKOUT])
    sys.path.insert(0, str(checkout / "src"))
    conf = checkout / "conf"
    spec = importlib.util.spec_from_file_location("vera.conf", conf / "__init__.py", submodule_search_locations=[str(conf)])
    assert spec is not None
    import vera as package

    assert Path(package.__file__).is_relative_to(checkout), package.__file__
    sys.modules["vera.conf"] = importlib.util.module_from_spec(spec)
    if sys.argv[1] == "-c":
        WITHIN[sys.argv[2]](*sys.argv[3:])
        return
    from vera.cli import main

    main()


def load_bundles() -> None:
    """Print the digest, the class and the loaded numbers of each shipped bundle."""
    from vera import bundle

    found = {}
    for path in sorted(Path(bundle.__file__).parent.glob("assets/*/bundle.json")):
        network = bundle.load(path.parent)
        found[path.parent.name] = [bundle.read(path.parent)["digest"], type(network).__qualname__, digest(network.state_dict())]
    sys.stdout.write(json.dumps(found))


def save_untrained(folder: str) -> None:
    """Save the autoencoder that the inversion starts from."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    from vera import bundle
    from vera.inversion.autoencoder import Autoencoder

    with initialize_config_module("vera.conf", version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", ["run.folder=unused", "generator=tiny", "encoder=tiny"]))
    torch.manual_seed(0)
    network = Autoencoder(generator=config["generator"], encoder=config["encoder"], bank=0)
    bundle.save(Path(folder), network, provenance={}, licence="CC0-1.0", card="#", dtype=torch.float32)


def run_commands(commands: str) -> None:
    """Run commands one after the other, and print their standard outputs; all is JSON."""
    from vera.cli import main

    told = []
    for words in json.loads(commands):
        sys.argv, said = ["vera", *words], io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                main()
            except SystemExit as left:
                if left.code:
                    sys.stderr.write(f"vera {' '.join(words)}\n")
                    raise
        told.append(said.getvalue())
    sys.stdout.write(json.dumps(told))


def run_demo(script: str, out: str) -> None:
    """Run the checkout's own demo: a pair of photographs, anonymized by both renderers, and measured."""
    sys.argv = [script, "--out", out]
    runpy.run_path(script, run_name="__main__")


WITHIN: dict[str, Callable[..., None]] = {
    "bundles": load_bundles,
    "untrained": save_untrained,
    "commands": run_commands,
    "demo": run_demo,
}
"""What runs with a checkout's ``vera``, besides its commands."""


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


def several(checkout: Path, commands: list[list[object]]) -> list[str]:
    """Run commands of a checkout in one process; their standard outputs."""
    outputs = call(checkout, "-c", "commands", json.dumps([list(map(str, words)) for words in commands])).splitlines()[-1]
    return list(json.loads(outputs))


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """A digest of names, types, shapes and all bits."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode() + value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def averaged(run: Path) -> str:
    """The averaged network at the end of a run, and the images that it had seen."""
    saved = torch.load(run / "last.ckpt", weights_only=True, map_location="cpu")["vera"]
    return f"{digest(saved['ema'])} {saved['images_seen']}"


def short(value: object) -> str:
    """A digest of anything that JSON or text can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def bundles(checkout: Path) -> dict[str, str]:
    """The shipped bundles: their digests, and the numbers that are loaded."""
    return {f"bundle {name}": short(facts) for name, facts in json.loads(call(checkout, "-c", "bundles").splitlines()[-1]).items()}


def trace(folder: Path) -> dict[str, list[str]]:
    """What a run logged, by column, without how fast it was."""
    with (folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0] if not name.startswith(("speed/", "memory/"))}


def training(stage: str, folder: Path, start: Path, *further: str) -> list[object]:
    """The command of a stage's smoke run."""
    overrides = [*STAGES[stage], *QUICK, *further, f"run.folder={folder}", f"hydra.run.dir={folder}/hydra"]
    return ["train", *overrides, *([f"stage.start={start}"] if stage == "inversion" else [])]


def traces(checkout: Path, scratch: Path, stages: list[str], start: Path, processes: int) -> dict[str, str]:
    """Each stage's smoke run: every logged number, and the averaged network at the end."""
    folders = {stage: scratch / f"{stage}{processes}" for stage in stages}
    if processes == 1:
        several(checkout, [training(stage, folder, start) for stage, folder in folders.items()])
    else:  # Lightning starts the second process by the first one's command line
        for stage, folder in folders.items():
            call(checkout, *training(stage, folder, start, *TWO))
    found = {}
    for stage, folder in folders.items():
        found |= {f"{stage}, {processes} processes: {name}": short(values) for name, values in trace(folder).items()}
        found[f"{stage}, {processes} processes: averaged network"] = averaged(folder)
    return found


def exports(checkout: Path, scratch: Path, old: Path, stages: list[str]) -> dict[str, str]:
    """Bundles from the runs of the old checkout."""
    (scratch / "card.md").write_text("# card\n")
    outs = {stage: scratch / f"bundle-{stage}" for stage in stages}
    stated = ["--data", "procedural", "--licence", "CC0-1.0", "--card", scratch / "card.md", "--float32"]
    several(checkout, [["export", old / f"{stage}1", "--out", out, *stated] for stage, out in outs.items()])
    return {f"export {stage}": str(json.loads((out / "bundle.json").read_text())["digest"])[:16] for stage, out in outs.items()}


def resumes(checkout: Path, scratch: Path, old: Path, stages: list[str], start: Path) -> dict[str, str]:
    """Runs that go on from the old checkout's checkpoints."""
    folders = {stage: scratch / f"{stage}-resumed" for stage in stages}
    further = {stage: [FURTHER, f"run.resume={old / f'{stage}1' / 'last.ckpt'}"] for stage in stages}
    several(checkout, [training(stage, folder, start, *further[stage]) for stage, folder in folders.items()])
    return {f"resume {stage}": averaged(folder) for stage, folder in folders.items()}


def reports(checkout: Path, scratch: Path, stored: Path, sweep: Path) -> dict[str, str]:
    """Tables of the results that the old checkout has stored, and of a sweep that it ran."""
    folders = {"of a sweep": sweep}
    for path in sorted(stored.glob("experiments/**/results.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if all({"measures", "anonymizer", "provenance"} <= set(line) for line in lines):
            name = path.parent.relative_to(stored / "experiments")
            folders[str(name)] = scratch / name
            (scratch / name).mkdir(parents=True, exist_ok=True)  # results may lie beside folders of further results
            (scratch / name / "results.jsonl").write_bytes(path.read_bytes())
    tables = several(checkout, [["report", folder] for folder in folders.values()])
    return {f"report {name}": short(table) for name, table in zip(folders, tables, strict=True)}


def astronaut(folder: Path) -> Path:
    """scikit-image's portrait of Eileen Collins (NASA, public domain) as a file."""
    import skimage.data
    import skimage.io

    photograph = folder / "astronaut.png"
    skimage.io.imsave(photograph, skimage.data.astronaut(), check_contrast=False)
    return photograph


def evaluation(checkout: Path, scratch: Path, begun: Path | None = None) -> dict[str, str]:
    """An evaluation of one's own; or the old checkout's, gone on with: nothing of it may be made again."""
    name, folder = "evaluation gone on with" if begun else "evaluation", scratch / "evaluation"
    table = scratch / "pairs.csv"
    table.write_text("person,role,path\n" + "".join(f"a,{role},{astronaut(scratch).name}\n" for role in ("before", "after")))
    if begun:
        shutil.copytree(begun, folder)
    items, found = _items(folder), {}
    evaluate = ["evaluate", f"people.path={table}", "anonymizer=[blur,pixelate]", "preserve=[mouth]", f"run.folder={folder}"]
    told = several(checkout, [evaluate, ["report", folder]])[1].splitlines()
    for line in (json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()):
        figures = {key: line[key] for key in ("people", "photographs", "measures")}
        found |= {f"{name} {line['anonymizer']} {key}": short(value) for key, value in _steady(figures, str(scratch))}
    found[f"{name}: items made"] = str(_items(folder) - items)
    steady = [line for line in told if "seconds" not in line and "states of the code" not in line]  # differ by nature
    found[f"{name}: report"] = short("\n".join(steady).replace(str(scratch), ""))
    return found


def _items(folder: Path) -> int:
    """Number of finished items in the ledgers of an evaluation."""
    lines = (line for path in folder.rglob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines())
    return sum(json.loads(line).get("kind") == "item" for line in lines)


def pictures(checkout: Path, scratch: Path) -> dict[str, str]:
    """A portrait that is covered, and random faces."""
    cover = ["anonymize", astronaut(scratch), "--method", "cover", "--person", "p", "--preserve", "mouth", "--out", scratch / "cover"]
    several(checkout, [cover, ["sample", "--n", 2, "--out", scratch / "drawn"]])
    return _images(scratch) | _audits(scratch)


def demo(checkout: Path, scratch: Path) -> dict[str, str]:
    """What ``make demo`` writes: a pair by both renderers, and what is measured of it."""
    call(checkout, "-c", "demo", checkout / "experiments" / "demo" / "run.py", scratch)
    measured = json.loads((scratch / "measured.json").read_text(encoding="utf-8"))
    return _images(scratch) | _audits(scratch) | {f"demo {key}": short(value) for key, value in _steady(measured, str(scratch))}


def _audits(folder: Path) -> dict[str, str]:
    """Digests of the values of the audits in a folder, but for those that differ by nature."""
    found = {}
    for path in sorted(folder.rglob("audit*.json")):
        audit = json.loads(path.read_text(encoding="utf-8"))
        name = f"audit {folder.name} {path.relative_to(folder)}"
        found |= {f"{name} {key}": short(value) for key, value in _steady(audit, str(folder))}
    return found


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


def compared(check: str, checkout: Path, root: Path, own: Path, stages: list[str], stored: Path) -> dict[str, str]:
    """The results of one check on one side. Those of the old one are kept beside its files, and not made again where they are.

    Args:
        check: name of the check.
        checkout: what computes.
        root: the comparison's folder; the old checkout's files are in ``old``.
        own: this side's folder.
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
        "evaluation": lambda folder: evaluation(checkout, folder),
        "continued": lambda folder: evaluation(checkout, folder, old / "evaluation" / "evaluation"),
        "pictures": lambda folder: pictures(checkout, folder),
        "demo": lambda folder: demo(checkout, folder),
    }
    kept, folder = own / f"{check}.json", own / check
    if own != old or not kept.is_file():
        began = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        kept.write_text(json.dumps(work[check](folder)))
        sys.stderr.write(f"{checkout}: {check} in {time.monotonic() - began:.0f} s\n")
    return dict(json.loads(kept.read_text()))


def prepare(old: Path, root: Path, wanted: list[str]) -> None:
    """Make what both sides read, by the old checkout: a bundle to start from, and a sweep."""
    start, sweep = root / "start", root / "sweep"
    if {"traces1", "traces2"} & set(wanted) and not start.exists():
        call(old, "-c", "untrained", start)
    if "reports" in wanted and not sweep.exists():
        call(old, "train", "-m", *STAGES["autoencoder"], *QUICK, "images=16", "seed=0,1", f"hydra.sweep.dir={sweep}")


def main() -> int:
    """Compare, print a table, and say by the exit code whether all is equal."""
    checks = ("bundles", "traces1", "traces2", "exports", "resumes", "reports", "evaluation", "continued", "pictures", "demo")
    needs = {"exports": "traces1", "resumes": "traces1", "continued": "evaluation"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--skip", nargs="*", choices=checks, default=[], help="checks that are left out, and those that need them")
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--all", action="store_true", help="show equal lines, too")
    parser.add_argument("--keep", type=Path, help="folder for what is written; the old results in it are not made again")
    given = parser.parse_args()
    wanted = [check for check in checks if not {check, needs.get(check)} & set(given.skip)]
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        root = given.keep.resolve() if given.keep else Path(temporary)
        stored = given.old.resolve()
        prepare(stored, root, wanted)
        sides = {root / "old": stored, root / "new": given.new.resolve()}
        old: dict[str, str] = {}
        new: dict[str, str] = {}
        with ThreadPoolExecutor(2) as pool:
            for check in wanted:  # a check may read what the old side has left in earlier ones
                work = [pool.submit(compared, check, checkout, root, own, given.stages, stored) for own, checkout in sides.items()]
                old, new = (found | side.result() for found, side in zip((old, new), work, strict=True))
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
