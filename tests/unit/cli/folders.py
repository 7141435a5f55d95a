"""Files below a folder, and the record of one, for tests that ``vera anonymize`` changes its own files and no others."""

import hashlib
import json
import os
import stat

import numpy as np
from PIL import Image


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
    """The audit in a folder."""
    return json.loads((folder / "audit.json").read_text("utf-8"))


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
