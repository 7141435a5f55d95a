"""Files below a folder, and the record of one, for tests that ``vera anonymize`` changes its own files and no others."""

import hashlib
import json
import os
import stat

import numpy as np
from PIL import Image

from vera.cli.schema import validator
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.faces.masks import mask_to_text


def picture(path, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 5, 3), value, np.uint8)).save(path)
    return path


def state(folder):
    """Everything below a folder: kind, mode and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else os.readlink(path) if path.is_symlink() else b""
        found[str(path)] = (facts.st_mode, facts.st_ino, content)
    return found


def audit(name, content, **changes):
    """A record as VerA writes it, of one file."""
    file = {"digest": "0" * 64, "masks": [], "role": "", "written": {name: hashlib.sha256(content).hexdigest()}}
    return {"vera": "0.1.0", "settings": {}, "people": [{"person": "x", "status": "written", "files": [file]} | changes]}


def audit_of(folder):
    """The audit in a folder, which has the published form."""
    found = json.loads((folder / "audit.json").read_text("utf-8"))
    validator().validate(found)
    return found


def facts(person, images):
    """The record that an anonymizer gives with a person's images; the fakes measure nothing."""
    photographs = [
        {
            "name": image.name,
            "digest": digest_of(entry.path),
            "size": list(image.preserved.shape),
            "quarter_turns": 0,
            "preserved_pixels": int(image.preserved.sum()),
            "replaced_pixels": int(image.replaced.sum()),
            "kept_classes": [],
            "regions": {"replaced": mask_to_text(image.replaced), "hair_edge": None},
        }
        for entry, image in zip(person.entries, images, strict=True)
    ]
    judge = {"name": "fake", "threshold": 0.5, "refusal_threshold": 0.5}
    judge |= {"output_to_source": [[0.75] * len(images)] * len(images), "between_outputs": []}
    return {
        "person": person.id,
        "seed": 3,
        "seed_source": "given",
        "identity": "drawn",
        "renderer": "fake",
        "digital_source_type": ALTERED_BY_ALGORITHM,
        "bundle": {"name": "fake", "digest": "0" * 64, "licence": "none"},
        "backends": {"detector": "fake", "parser": "fake"},
        "options": {"preserve": [], "hair": False, "face": None, "leave_others": False, "upright": "refuse"},
        "photographs": photographs,
        "warnings": [],
        "versions": {"torch": "2.14.1+cu130"},
        "attempt": 1,
        "candidates": 1,
        "verification": {"passed": True, "reasons": [], "recognisers": [judge]},
        "seconds": {},
    }


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
