"""An anonymizer without networks, for tests of archives in other processes, which must load quickly (no torch)."""

import csv
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tests.unit.cli.folders import facts

from vera.anonymization.request import Options
from vera.cli.archive import Archive, anonymize, unfinished
from vera.cli.loading import AnonymizerLoader
from vera.cli.rendering import PersonOutcome, PersonWorker
from vera.cli.workers import Pool
from vera.types import Anonymized, AnonymizedPerson, Refused, VeraError

LOADER = AnonymizerLoader(Options(seed=3), "cpu", None, None, None, None, (), 0.001)


class Painter:
    """Flat images; `refuse`, `fail` and `die` name people who are refused, fail or kill their process; with a folder `once`, where each
    leaves a file, only once."""

    def __init__(self, shade=40, *, refuse=(), fail=(), die=(), once=None, seconds=0.0):
        self.shade, self.refuse, self.fail, self.die, self.once, self.seconds = shade, refuse, fail, die, once, seconds
        self.seen, self.settings = [], LOADER.settings

    def anonymize(self, person, identity, progress):
        self.seen.append(person.id)
        time.sleep(self.seconds)
        if person.id in self.refuse:
            raise Refused(f"'{person.id}' is still recognised")
        if person.id in (*self.fail, *self.die) and self.first_time(person.id):
            if person.id in self.die:
                os.kill(os.getpid(), signal.SIGKILL)
            raise VeraError(f"no face in {person.entries[0].path}")
        mask = np.zeros((6, 5), dtype=bool)
        mask[2:4] = True
        images = [Anonymized(entry.name, np.full((6, 5, 3), self.shade, np.uint8), mask, ~mask) for entry in person.entries]
        return AnonymizedPerson(person.id, images, facts(person, images) | {"distances": [np.float64(0.75)]}), None

    def first_time(self, name):
        mark = self.once and Path(self.once, name)
        if mark and mark.exists():
            return False
        if mark:
            mark.touch()
        return True

    def made(self, record):
        return record["seed"] == 3 and self.shade == 40


class Inline:
    """An engine in this process."""

    def __init__(self, painter):
        self.worker = PersonWorker(lambda: painter, mark=True)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        pass

    def stop(self):
        pass

    def map(self, tasks):
        return map(self.worker, tasks)


def pool(workers=2, **painter):
    start = partial(PersonWorker, partial(Painter, **painter), mark=True)
    return Pool(start, workers=workers, threads=1, again=PersonOutcome.failed.fget, lost=unfinished)


def people(folder, count):
    """A table of so many people with a before and after photograph each, all before first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pairs.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["person", "role", "path"])
        for role in ("before", "after"):
            for number in range(count):
                Image.fromarray(np.full((6, 5, 3), 2 * number + (role == "after"), np.uint8)).save(folder / f"p{number}-{role}.png")
                table.writerow([f"person {number}", role, f"p{number}-{role}.png"])
    return path


def run(manifest, out, engine, **options):
    anonymize(Archive(Path(manifest), Path(out), LOADER, **options), engine)


def ray_engine(**painter):
    from vera.cli.ray_engine import RayEngine

    start = partial(PersonWorker, partial(Painter, **painter), mark=True)
    return RayEngine(start, workers=2, threads=1, lost=unfinished)


if __name__ == "__main__":  # python -m tests.unit.cli.painters MANIFEST OUT [ray]: a driver that a test kills
    run(*sys.argv[1:3], ray_engine(seconds=0.2) if sys.argv[3:] else pool(seconds=0.02), per_folder=8)
