import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import convert_color_space
from tests.reference.clinic_files import dicom, dicom_of_jpeg
from tests.reference.image_bytes import encoded, exif, picture, segment, with_frame
from tests.unit.faces.test_image_file import refusal

from vera.faces import formats, icc
from vera.faces.image_file import decode
from vera.faces.photograph import read_photograph

PIXELS = np.asarray(picture())
GREY = PIXELS[..., 0]
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def dcmtk(program):
    found = shutil.which(program)
    return found or pytest.skip(f"{program} (Debian's dcmtk) is not installed")


@pytest.mark.parametrize("sop_class", ["VLPhotographicImageStorage", "SecondaryCaptureImageStorage"])
@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian"])
def test_rgb_is_read_bit_for_bit(sop_class, syntax):
    data = dicom(sop_class=getattr(pydicom.uid, sop_class), syntax=getattr(pydicom.uid, syntax))
    decoded = decode(data, "face")
    assert np.array_equal(decoded.pixels, PIXELS)
    assert decoded.warnings == ()


def test_planes_and_grey():
    planes = dicom(PlanarConfiguration=1, PixelData=PIXELS.transpose(2, 0, 1).tobytes() + b"\0")
    assert np.array_equal(decode(planes, "face").pixels, PIXELS)
    assert np.array_equal(decode(dicom(GREY), "face").pixels, np.repeat(GREY[..., None], 3, axis=2))
    inverted = decode(dicom(GREY, PhotometricInterpretation="MONOCHROME1"), "face").pixels
    assert np.array_equal(inverted, 255 - np.repeat(GREY[..., None], 3, axis=2))


def test_ybr_is_converted_as_the_standard_says():
    ybr = np.rint(convert_color_space(PIXELS, "RGB", "YBR_FULL")).astype(np.uint8)
    y, cb, cr = (ybr[..., channel].astype(float) for channel in range(3))
    rgb = np.stack([y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)], axis=-1)
    decoded = decode(dicom(ybr, PhotometricInterpretation="YBR_FULL"), "face").pixels
    assert np.abs(decoded - rgb.clip(0, 255)).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("scale", [257, 256])
def test_a_palette_gives_its_colours(bits, scale):
    colours = np.random.default_rng(2).integers(0, 256, (3, 256))
    tables = {}
    for name, values in zip(("Red", "Green", "Blue"), colours, strict=True):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        entries = values.astype("<u2") * scale if bits == 16 else values.astype(np.uint8)
        tables[f"{name}PaletteColorLookupTableData"] = entries.astype("<u2" if bits == 16 else np.uint8).tobytes()
    decoded = decode(dicom(GREY, PhotometricInterpretation="PALETTE COLOR", **tables), "face").pixels
    assert np.array_equal(decoded, colours.T[GREY])


@pytest.mark.parametrize("sampling", [0, 2])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_within_is_read_as_the_jpeg_itself(mode, sampling):
    jpeg = encoded("JPEG", picture(mode), subsampling=sampling)
    assert np.array_equal(decode(dicom_of_jpeg(jpeg), "face").pixels, decode(jpeg, "face").pixels)


def test_the_exif_orientation_of_a_jpeg_within_is_not_dicoms():
    jpeg = encoded("JPEG", exif=exif(orientation=6))
    assert decode(dicom_of_jpeg(jpeg), "face").pixels.shape == PIXELS.shape


def test_what_img2dcm_made_of_a_jpeg_is_the_jpeg(tmp_path):
    (tmp_path / "face.jpg").write_bytes(encoded("JPEG"))
    for option in ("--sec-capture", "--vl-photo"):
        made = tmp_path / f"{option[2:]}.dcm"
        subprocess.run([dcmtk("img2dcm"), option, tmp_path / "face.jpg", made], check=True, capture_output=True)
        assert np.array_equal(read_photograph(made).pixels, decode(encoded("JPEG"), "face").pixels)


def test_what_img2dcm_made_of_a_bitmap_is_the_bitmap(tmp_path):
    bitmap, made = tmp_path / "face.bmp", tmp_path / "made.dcm"
    bitmap.write_bytes(encoded("BMP"))
    subprocess.run([dcmtk("img2dcm"), "-i", "BMP", "--vl-photo", bitmap, made], check=True, capture_output=True)
    assert np.array_equal(read_photograph(made).pixels, PIXELS)


READ = [
    "SC_jpeg_no_color_transform.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_jpeg_app14_dcmd.dcm",
    "SC_rgb_jpeg_dcmd.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
]
"""Samples that come with pydicom, written by dcmtk, GDCM and others."""


@pytest.mark.parametrize("name", READ)
def test_samples_of_other_programs_are_read_as_dcmtk_reads_them(name, tmp_path):
    shown = tmp_path / "shown.png"
    subprocess.run([dcmtk("dcmj2pnm"), "+on", SAMPLES / name, shown], check=True, capture_output=True)
    theirs = np.asarray(Image.open(shown, formats=["PNG"]).convert("RGB")).astype(int)
    assert np.abs(read_photograph(SAMPLES / name).pixels - theirs).max() <= 2  # JPEG decoders round differently


REFUSED = {
    "examples_palette.dcm": "of the DICOM class Ultrasound Image Storage, which is not a photograph",
    "SC_rgb_rle.dcm": "encoded as RLE Lossless, which is not supported",
    "SC_rgb_gdcm_KY.dcm": "encoded as JPEG 2000 Image Compression, which is not supported",
    "image_dfl.dcm": "encoded as Deflated Explicit VR Little Endian, which is not supported",
    "reportsi.dcm": "Basic Text SR Storage, which is not a photograph",
    "CT_small.dcm": "CT Image Storage, which is not a photograph",
    "SC_rgb_jls_lossy_line.dcm": "JPEG-LS",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photograph_is_refused_by_its_name(name):
    said = refusal((SAMPLES / name).read_bytes())
    assert REFUSED[name] in said
    assert "export it from the archive" in said


BAD = {
    "frames": (lambda: dicom(NumberOfFrames=2), "holds 2 frames"),
    "multi-frame class": (lambda: dicom(sop_class="1.2.840.10008.5.1.4.1.1.7.4"), "Multi-frame True Color Secondary Capture"),
    "16 bits": (lambda: dicom(GREY, BitsAllocated=16, BitsStored=12), "12 bits a channel"),
    "signed": (lambda: dicom(GREY, PixelRepresentation=1), "signed values"),
    "partial YBR": (lambda: dicom(PhotometricInterpretation="YBR_PARTIAL_422"), "photometric interpretation YBR_PARTIAL_422"),
    "grey in three channels": (lambda: dicom(PhotometricInterpretation="MONOCHROME2"), "3 channels, which does not fit"),
    "too few pixels": (lambda: dicom(PixelData=bytes(100)), "may be damaged"),
    "no pixels": (lambda: dicom(PixelData=None), "may be damaged"),
    "no size": (lambda: dicom(Rows=None), "may be damaged"),
    "another size than its JPEG": (lambda: dicom_of_jpeg(Rows=20), "may be damaged"),
    "lossless JPEG": (lambda: dicom(jpeg=with_frame(encoded("JPEG"), marker=0xC3)), "lossless JPEG is not supported"),
    "RGB in a JPEG that is said to be YBR": (lambda: dicom_of_jpeg(adobe_rgb_jpeg()), "may be damaged"),
    "a colour space without its profile": (lambda: dicom(ColorSpace="ROMMRGB"), "in the colour space ROMMRGB and has no colour profile"),
    "cut short": (lambda: dicom()[:900], "may be damaged"),
}


def adobe_rgb_jpeg():
    """A JPEG whose Adobe mark says that its channels are RGB."""
    data = encoded("JPEG")
    bare = data[:2] + data[20:]  # without the JFIF mark
    return segment(bare, 0xEE, b"Adobe\0d\0\0\0\0\0")


@pytest.mark.parametrize("case", BAD)
def test_what_would_be_read_wrongly_is_refused(case, capfd):
    make, says = BAD[case]
    assert says in refusal(make())
    assert capfd.readouterr() == ("", "")


def test_too_many_pixels_are_refused_by_the_header(monkeypatch):
    monkeypatch.setattr(formats, "MOST_PIXELS", PIXELS.shape[0] * PIXELS.shape[1] - 1)
    assert "megapixels" in refusal(dicom())
    assert "megapixels" in refusal(dicom_of_jpeg())


def test_a_tiff_that_is_a_dicom_file_too_is_a_dicom_file():
    data = dicom()
    assert np.array_equal(decode(b"II*\0" + data[4:], "face").pixels, PIXELS)


def test_colours_are_converted_by_dicoms_profile_or_name_else_by_the_jpegs():
    adobe = icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA)
    as_png = decode(encoded("PNG", icc_profile=adobe), "face").pixels
    assert np.array_equal(decode(dicom(ICCProfile=adobe), "face").pixels, as_png)
    assert np.array_equal(decode(dicom(ColorSpace="ADOBERGB"), "face").pixels, as_png)
    assert np.array_equal(decode(dicom(ColorSpace="SRGB"), "face").pixels, PIXELS)
    jpeg = encoded("JPEG", icc_profile=adobe)
    assert np.array_equal(decode(dicom_of_jpeg(jpeg), "face").pixels, decode(jpeg, "face").pixels)
    assert np.array_equal(decode(dicom_of_jpeg(jpeg, ColorSpace="SRGB"), "face").pixels, decode(encoded("JPEG"), "face").pixels)


def test_settings_for_display_and_overlays_are_a_warning():
    (window,) = decode(dicom(GREY, WindowCenter=100, WindowWidth=50), "face").warnings
    assert "settings for display" in window
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    dataset.add_new(0x60000010, "US", 8)
    stream = io.BytesIO()
    dataset.save_as(stream)
    (overlay,) = decode(stream.getvalue(), "face").warnings
    assert "overlays" in overlay
