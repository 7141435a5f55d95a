from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from tests.unit.cli.folders import facts, state

from vera.files import printable
from vera.types import Anonymized, AnonymizedPerson, Refused, VeraError


@dataclass
class FakeStudio:
    """Turns photographs into flat images; people named in `refuse` and `fail` don't pass."""

    refuse: tuple[str, ...] = ()
    fail: tuple[str, ...] = ()
    break_: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seen: list = field(default_factory=list)
    arguments: dict = field(default_factory=dict)
    settings: dict = field(default_factory=lambda: {"device": "cpu"})

    def anonymize(self, person, identity, progress):
        self.seen.append((person.id, [entry.path.name for entry in person.entries], identity))
        if person.id in self.refuse:
            raise Refused(f"'{person.id}' is still recognised", {"distances": [np.float32(0.25)]})
        if person.id in self.fail:
            raise VeraError(f"no face found in {person.entries[0].path}")
        if person.id in self.break_:
            raise ZeroDivisionError(f"secret {person.id}")
        mask = np.zeros((6, 5), dtype=bool)
        mask[2:4] = True
        images = [Anonymized(entry.name, np.full((6, 5, 3), 40 + i, np.uint8), mask, ~mask) for i, entry in enumerate(person.entries)]
        audit = facts(person, images) | {"distances": [np.float64(0.75)], "warnings": list(self.warnings)}
        return AnonymizedPerson(person.id, images, audit), "face"

    def save_identity(self, identity, path):
        path.write_text(identity)


@pytest.fixture
def studio(monkeypatch):
    fake = FakeStudio()

    def assemble(bundle, device, options, **parts):
        fake.arguments.update(vars(options) | parts)
        return fake

    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    return fake


@pytest.fixture
def photo(tmp_path):
    def make(name, value=128):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 5, 3), value, np.uint8)).save(path)
        return path

    return make


@pytest.fixture
def files():
    return lambda folder: sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def refused(vera, studio, tmp_path):
    """Run a call that must be refused before any work, and see that nothing was touched; returns what it says."""

    def run(*arguments, code=2):
        before = state(tmp_path)
        left, _, told = vera("anonymize", *arguments)
        assert left == code, told
        assert told.startswith("vera: ")
        assert len(told.rstrip("\n").splitlines()) == 1, told
        assert printable(told.rstrip("\n")) == told.rstrip("\n")
        assert "Traceback" not in told
        assert not studio.seen
        assert state(tmp_path) == before
        return told

    return run


@pytest.fixture
def manifest(tmp_path, photo):
    """A table of three people with a photograph each."""
    people = ("anna", "bert", "carl")
    path = tmp_path / "pairs.csv"
    path.write_text("person,role,path\n" + "".join(f"{p},before,{photo(f'{p}/{p}-before.jpg').relative_to(tmp_path)}\n" for p in people))
    return path
