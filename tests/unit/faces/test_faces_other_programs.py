"""Files that ImageMagick wrote are read with the pixels that it was given."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from tests.reference.image_bytes import picture

from vera.faces.photograph import read_photograph

PIXELS = np.asarray(picture())
LOSSLESS = {
    "8-bit PNG": ["-depth", "8", "png24:{}.png"],
    "16-bit PNG": ["-depth", "16", "png48:{}.png"],
    "16-bit PNG with alpha": ["-depth", "16", "png64:{}.png"],
    "8-bit TIFF": ["-depth", "8", "-compress", "none", "tiff:{}.tif"],
    "8-bit TIFF, LZW": ["-depth", "8", "-compress", "lzw", "tiff:{}.tif"],
    "16-bit TIFF": ["-depth", "16", "-compress", "none", "tiff:{}.tif"],
    "16-bit TIFF, LZW, big endian": ["-depth", "16", "-compress", "lzw", "-endian", "msb", "tiff:{}.tif"],
    "16-bit TIFF, Deflate": ["-depth", "16", "-compress", "zip", "tiff:{}.tif"],
    "16-bit BigTIFF": ["-depth", "16", "tiff64:{}.tif"],
    "WebP": ["-define", "webp:lossless=true", "webp:{}.webp"],
    "BMP": ["bmp3:{}.bmp"],
}


def converted(tmp_path, *options):
    """A file that ImageMagick made of the picture."""
    program = shutil.which("convert-im6.q16") or shutil.which("convert") or pytest.skip("ImageMagick (convert) is not installed")
    Image.fromarray(PIXELS).save(tmp_path / "source.bmp")
    options = [option.format(tmp_path / "made") for option in options]
    done = subprocess.run([program, tmp_path / "source.bmp", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this ImageMagick cannot write {options[-1].partition(':')[0]}: {done.stderr.strip()[:100]}")
    return next(tmp_path.glob("made.*"))


@pytest.mark.parametrize("case", LOSSLESS)
def test_what_was_written_without_loss_is_read_exactly(tmp_path, case):
    photograph = read_photograph(converted(tmp_path, *LOSSLESS[case]))
    assert np.array_equal(photograph.pixels, PIXELS)
    assert photograph.warnings == ()


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_what_was_written_with_loss_is_near(tmp_path, suffix):
    smooth = np.asarray(picture().resize((7, 5)).resize((64, 48), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "smooth.bmp")
    made = converted(tmp_path, str(tmp_path / "smooth.bmp"), "-delete", "0", "-quality", "95", suffix + ":{}." + suffix)
    assert np.abs(read_photograph(made).pixels - smooth.astype(int)).mean() < 4
