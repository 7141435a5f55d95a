"""Files that ImageMagick wrote with loss; those without are in ``docs/other_programs.md``, which a test makes anew."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from tests.reference.image_bytes import picture

from vera.faces.photograph import read_photograph

PIXELS = np.asarray(picture())


def converted(tmp_path, *options):
    """A file that ImageMagick made of the picture."""
    program = shutil.which("convert-im6.q16") or shutil.which("convert") or pytest.skip("ImageMagick (convert) is not installed")
    Image.fromarray(PIXELS).save(tmp_path / "source.bmp")
    options = [option.format(tmp_path / "made") for option in options]
    done = subprocess.run([program, tmp_path / "source.bmp", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this ImageMagick cannot write {options[-1].partition(':')[0]}: {done.stderr.strip()[:100]}")
    return next(tmp_path.glob("made.*"))


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_what_was_written_with_loss_is_near(tmp_path, suffix):
    smooth = np.asarray(picture().resize((7, 5)).resize((64, 48), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "smooth.bmp")
    made = converted(tmp_path, str(tmp_path / "smooth.bmp"), "-delete", "0", "-quality", "95", suffix + ":{}." + suffix)
    assert np.abs(read_photograph(made).pixels - smooth.astype(int)).mean() < 4
