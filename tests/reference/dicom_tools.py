"""Debian's dicom3tools and dcmtk, as judges of DICOM files that VerA wrote."""

import io
import shutil
import subprocess

import numpy as np
from PIL import Image

ABSENT = [program for program in ("dciodvfy", "dcmdump", "dcmj2pnm") if not shutil.which(program)]
"""Programs that are not installed; where there are none, the functions below can be called."""


def errors(path):
    """What dicom3tools finds wrong with a file."""
    checked = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    told = [line for line in (checked.stdout + checked.stderr).splitlines() if "Error" in line]
    return told or ([] if checked.returncode == 0 else [f"dciodvfy left {checked.returncode}"])


def dump(path):
    """All attributes as dcmtk tells them, long values whole."""
    return subprocess.run(["dcmdump", "+L", path], capture_output=True, text=True, check=True).stdout


def pixels(path):
    """``(H, W, 3)`` uint8 as dcmtk shows them."""
    shown = path.with_suffix(".dcmtk.bmp")
    subprocess.run(["dcmj2pnm", "+ob", path, shown], capture_output=True, check=True)
    found = np.asarray(Image.open(io.BytesIO(shown.read_bytes()), formats=["BMP"]).convert("RGB"))
    shown.unlink()
    return found
