"""Write an anonymized photograph as a new DICOM instance.

The header is built from a list of attributes (PS3.3: VL Photographic Image, Secondary Capture); no text of the source is copied into it,
so nothing of it can remain, private tags and unknown attributes included. Tools that clean a copy of the header instead (dicognito,
deid) have to know every attribute that could identify somebody.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vera.faces import icc
from vera.faces.dicom import JPEG_BASELINE, PHOTOGRAPHIC, SECONDARY_CAPTURE, read_header
from vera.faces.formats import recognise
from vera.faces.image_file import DAMAGED
from vera.faces.opened import library
from vera.faces.photograph import replace_file
from vera.types import Pixels, VeraError

IMPLEMENTATION = "2.25.109530911287240921377165207083311893418"
"""UID of this writer, drawn once."""
METHODS = {"JPEG": "ISO_10918_1", "HEIC": "ISO_23008_2", "AVIF": "AV1", "WEBP": "VP8"}
"""Lossy compressions by format: DICOM's terms, and codecs' names where it has none."""
OPTIONS = ("BasicApplicationConfidentialityProfile", "CleanRecognizableVisualFeaturesOption")
"""Methods of PS3.15 annex E that are applied: codes 113100 and 113102 of PS3.16 CID 7050.

Not 113101, Clean Pixel Data: VerA does not look for text in the picture.
"""


@dataclass(frozen=True)
class Origin:
    """Facts of a source file that its new instance needs; texts of it are never written, only what is derived from them.

    Attributes:
        sop_class: UID of the SOP class; that of photographs for files that are no DICOM.
        study: UID of the study, or empty.
        series: UID of the series, or empty.
        instance: UID of the instance, or empty.
        method: lossy compression that the pixels went through, as in :data:`METHODS`; empty for none that is known.
        encoded: bytes that the pixels had after that compression; 0 where it is not known.

    """

    sop_class: str = PHOTOGRAPHIC
    study: str = ""
    series: str = ""
    instance: str = ""
    method: str = ""
    encoded: int = 0


@dataclass(frozen=True)
class Instance:
    """Identifiers of a new instance; all are pseudonyms.

    Attributes:
        patient: the patient's name and ID.
        study: UID of the study.
        series: UID of the series.
        instance: UID of the instance.
        number: number in the series, from 1.

    """

    patient: str
    study: str
    series: str
    instance: str
    number: int


def read_origin(data: bytes, shown: str) -> Origin:
    """Read what a new instance needs of its source.

    Args:
        data: all bytes of the source file.
        shown: name of the file in messages.

    Raises:
        VeraError: DICOM of another kind, damaged, or with text in its pixels that may identify the patient.

    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # reading the photograph records them
            return _origin(data, shown)
    except VeraError:
        raise
    except Exception as error:  # pydicom raises almost anything on damaged bytes
        raise VeraError(f"'{shown}' {DAMAGED}") from error


def _origin(data: bytes, shown: str) -> Origin:
    known = recognise(data, shown)
    if known != "DICOM":
        lossy = known in METHODS and not (known == "WEBP" and data[12:16] == b"VP8L")
        return Origin(method=METHODS[known], encoded=len(data)) if lossy else Origin()
    dataset = read_header(data, known, shown)
    if dataset.get("BurnedInAnnotation") == "YES":
        raise VeraError(
            f"'{shown}' says that text is burned into its pixels (BurnedInAnnotation YES), which VerA does not remove: "
            "paint it over and export it with BurnedInAnnotation NO"
        )
    method, encoded = "", 0
    if dataset.file_meta.TransferSyntaxUID == JPEG_BASELINE:
        method, encoded = METHODS["JPEG"], len(dataset.PixelData)
    elif dataset.get("LossyImageCompression") == "01":
        method = next((term for term in METHODS.values() if dataset.get("LossyImageCompressionMethod") == term), METHODS["JPEG"])
    study, series, instance = (str(dataset.get(f"{name}InstanceUID", "")) for name in ("Study", "Series", "SOP"))
    return Origin(str(dataset.SOPClassUID), study, series, instance, method, encoded)


def write_dicom(path: Path, pixels: Pixels, origin: Origin, instance: Instance) -> None:
    """Write a DICOM file (explicit VR little endian, uncompressed RGB in sRGB): all or nothing, same input → same bytes.

    Args:
        path: the file; its folder must exist.
        pixels: ``(H, W, 3)`` uint8 sRGB.
        origin: facts of the source file.
        instance: identifiers of the new instance.

    Raises:
        VeraError: pydicom is not installed, or the file cannot be written.

    """
    library("pydicom", "DICOM", path.name)
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION)
    for name, value in (_identifiers(origin, instance) | _deidentification() | _image(pixels, origin)).items():
        setattr(dataset, name, value)
    content = np.ascontiguousarray(pixels).tobytes()
    dataset.add_new("PixelData", "OB", content + bytes(len(content) % 2))
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    replace_file(path, stream.getvalue())


def _identifiers(origin: Origin, instance: Instance) -> dict[str, Any]:
    """Modules Patient, General Study, General Series, General Equipment, SOP Common; what may be empty is."""
    empty = ["StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "Laterality", "Manufacturer"]
    empty += ["PatientBirthDate", "PatientSex", "PatientOrientation"]
    return dict.fromkeys(empty, "") | {
        "SOPClassUID": origin.sop_class,
        "SOPInstanceUID": instance.instance,
        "StudyInstanceUID": instance.study,
        "SeriesInstanceUID": instance.series,
        "SeriesNumber": None,
        "InstanceNumber": instance.number,
        "Modality": "XC",  # external camera
        "PatientName": f"{instance.patient}^",
        "PatientID": instance.patient,
    }


def _deidentification() -> dict[str, Any]:
    """Statements that PS3.15 asks of a de-identifier."""
    from pydicom import Dataset
    from pydicom.sr.codedict import codes

    items = []
    for option in OPTIONS:
        code, item = getattr(codes.DCM, option), Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
        items.append(item)
    return {
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "VerA: face replaced or hidden, header new",
        "DeidentificationMethodCodeSequence": items,
        "BurnedInAnnotation": "NO",
        "RecognizableVisualFeatures": "NO",
        "LongitudinalTemporalInformationModified": "REMOVED",
    }


def _image(pixels: Pixels, origin: Origin) -> dict[str, Any]:
    """Modules General Image, Image Pixel, ICC Profile, and those of the SOP class."""
    own: dict[str, Any] = {"ConversionType": "WSD"} if origin.sop_class == SECONDARY_CAPTURE else {"AcquisitionContextSequence": []}
    if origin.method:  # kept pixels keep the marks of an earlier compression
        own |= {"LossyImageCompression": "01", "LossyImageCompressionMethod": origin.method}
        own |= {"LossyImageCompressionRatio": f"{max(1.0, pixels.size / origin.encoded):.2f}"} if origin.encoded else {}
    elif origin.sop_class == PHOTOGRAPHIC:
        own |= {"LossyImageCompression": ""}
    return own | {
        "ImageType": ["DERIVED", "PRIMARY"],
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "ICCProfile": icc.profile(icc.SRGB, None, device=b"scnr", title="sRGB"),
        "ColorSpace": "SRGB",
    }
