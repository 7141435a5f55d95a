"""Read photographs in DICOM files: VL Photographic Image and Secondary Capture, one frame, 8 bits.

Headers are read by pydicom. A JPEG that lies in a DICOM file is decoded as the JPEG file itself would be, so that both give the same
pixels. Overlays, windows and lookup tables for display are not applied.
"""

from __future__ import annotations

import io
import logging
from typing import Any

import numpy as np
from PIL import Image

from vera.faces import icc
from vera.faces.colour_space import Told, told_by
from vera.faces.colour_space import read_metadata as read_exif
from vera.faces.formats import DICOM_START, EXPORT, check_size, check_variant
from vera.faces.opened import Opened, library
from vera.types import Pixels, VeraError
from vera.untrusted import shown as readable

PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
"""SOP class VL Photographic Image Storage."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""SOP class Secondary Capture Image Storage."""
SOP_CLASSES = (PHOTOGRAPHIC, SECONDARY_CAPTURE)
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
"""Transfer syntaxes: implicit and explicit little endian, explicit big endian."""
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
"""Transfer syntax of encapsulated JPEG with 8 bits."""
DATA_SET = 0x00080000
"""First tag behind the file's meta information."""
GREY, COLOUR, PALETTE = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422"), "PALETTE COLOR"
DISPLAY = ("RescaleSlope", "WindowWidth", "ModalityLUTSequence", "VOILUTSequence")
"""Attributes that change how stored values are shown."""
ADVICE = "export it from the archive as an uncompressed or baseline JPEG photograph, or as JPEG, PNG or TIFF"


def open_dicom(data: bytes, known: str, shown: str) -> Opened:
    """Decode a photograph from a DICOM file.

    Args:
        data: all bytes of the file.
        known: name of the format, for messages.
        shown: name of the file in messages.

    Raises:
        VeraError: the extra is not installed; another SOP class, transfer syntax, photometric interpretation or depth; several frames;
            too many pixels; a colour space without its profile.

    """
    dataset = read_header(data, known, shown)
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        raise VeraError(f"'{shown}' holds {readable(dataset.NumberOfFrames)} frames, and one is expected: export the one photograph")
    size = int(dataset.Columns), int(dataset.Rows)
    check_size(size, shown)
    interpretation = str(dataset.PhotometricInterpretation)
    if interpretation not in (*GREY, *COLOUR, PALETTE):
        raise VeraError(f"'{shown}' has the photometric interpretation {readable(interpretation)}, which is not supported: {ADVICE}")
    if (dataset.BitsAllocated, dataset.BitsStored, dataset.PixelRepresentation) != (8, 8, 0):
        raise VeraError(f"'{shown}' has {readable(dataset.BitsStored)} bits a channel or signed values, which is not supported: {ADVICE}")
    if int(dataset.SamplesPerPixel) != (3 if interpretation in COLOUR else 1):
        raise VeraError(f"'{shown}' has {readable(dataset.SamplesPerPixel)} channels, which does not fit {interpretation}: {ADVICE}")
    jpeg = dataset.file_meta.TransferSyntaxUID == JPEG_BASELINE
    image, told = _from_jpeg(dataset, size, shown) if jpeg else (Image.fromarray(_stored(dataset)), Told(None))
    if image.size != size:
        raise ValueError("the decoded image has another size than its header says")
    if interpretation == "MONOCHROME1":  # the smallest value is white
        image = Image.fromarray(255 - np.asarray(image))
    if interpretation == PALETTE:
        image = Image.fromarray(_coloured(np.asarray(image), dataset))
    return Opened(image, _told(dataset, told, shown), warnings=_warnings(dataset))


def read_header(data: bytes, known: str, shown: str) -> Any:
    """Read a DICOM file whose SOP class and transfer syntax are supported; pixels stay encoded.

    Args:
        data: all bytes of the file.
        known: name of the format, for messages.
        shown: name of the file in messages.

    Returns:
        The ``pydicom.Dataset``.

    Raises:
        VeraError: pydicom is not installed, or another SOP class or transfer syntax.

    """
    pydicom = library("pydicom", known, shown)
    from pydicom.filereader import read_dataset

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its warnings quote values of the header, which may name the patient
    stream = io.BytesIO(data)
    stream.seek(DICOM_START[0] + len(DICOM_START[1]))
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, kind, length: tag >= DATA_SET)
    # Before the rest is read: what is deflated could be of any size.
    if meta.TransferSyntaxUID not in (*UNCOMPRESSED, JPEG_BASELINE):
        raise VeraError(f"'{shown}' is encoded as {_named(meta.TransferSyntaxUID)}, which is not supported: {ADVICE}")
    dataset = pydicom.dcmread(io.BytesIO(data))
    if dataset.SOPClassUID not in SOP_CLASSES:
        raise VeraError(f"'{shown}' is of the DICOM class {_named(dataset.SOPClassUID)}, which is not a photograph: {ADVICE}")
    return dataset


def _named(uid: Any) -> str:
    """The registered name of a UID, or the UID itself."""
    return readable(uid.name)


def _stored(dataset: Any) -> Pixels:
    """Pixels as they are stored without compression; YBR is converted to RGB as PS3.3 C.7.6.3.1.2 says."""
    from pydicom.pixels.utils import pixel_array

    return np.ascontiguousarray(pixel_array(dataset))


def _from_jpeg(dataset: Any, size: tuple[int, int], shown: str) -> tuple[Image.Image, Told]:
    """Decode the one JPEG in a DICOM file, and its own colour information."""
    from pydicom.encaps import get_frame
    from pydicom.pixels.utils import pixel_array

    jpeg = get_frame(dataset.PixelData, 0, number_of_frames=1)
    check_variant(jpeg, "JPEG", shown)
    image = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
    if image.size != size or len(image.getbands()) != int(dataset.SamplesPerPixel):
        raise ValueError("the JPEG within is another image than its header says")
    rgb = str(dataset.PhotometricInterpretation) == "RGB"
    if not rgb and image.info.get("adobe_transform") == 0 and image.mode == "RGB":
        raise ValueError("the JPEG within is in RGB, its header says YBR")
    told = told_by(image, jpeg, read_exif(image), shown)
    if rgb:  # a JPEG without marks counts as YBR elsewhere, so the header has to be asked
        return Image.fromarray(np.ascontiguousarray(pixel_array(dataset))), told
    image.load()
    return image, told


def _coloured(indices: Pixels, dataset: Any) -> Pixels:
    """``(H, W, 3)`` colours of a palette; of 16-bit entries the upper byte, which holds 8-bit colours however they were scaled."""
    from pydicom.pixels.processing import apply_color_lut

    colours = np.asarray(apply_color_lut(indices, dataset))[..., :3]
    return np.ascontiguousarray(colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8))


def _told(dataset: Any, within: Told, shown: str) -> Told:
    """The colour space: DICOM's profile, else its name for one, else what a JPEG within says."""
    if profile := dataset.get("ICCProfile"):
        return Told(bytes(profile))
    name = str(dataset.get("ColorSpace") or "")
    if name == "ADOBERGB":
        return Told(icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA))
    if name not in ("", "SRGB"):
        raise VeraError(f"'{shown}' is in the colour space {readable(name)} and has no colour profile: {EXPORT}")
    return within if not name else Told(None)


def _warnings(dataset: Any) -> tuple[str, ...]:
    found = []
    plain = float(dataset.get("RescaleSlope", 1)) == 1 and float(dataset.get("RescaleIntercept", 0)) == 0
    if any(name in dataset for name in DISPLAY[1:]) or not plain:
        found.append("its DICOM header has settings for display (a window or a lookup table), which were not applied: compare the shades")
    if any(0x6000 <= element.tag.group <= 0x60FF for element in dataset):
        found.append("its DICOM header has overlays (drawings over the picture), which were left out")
    return tuple(found)
