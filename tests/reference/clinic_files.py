"""Files as telephones, cameras and archives write them: HEIC, AVIF, DNG, DICOM. Made for tests; nothing is stored."""

import io
import struct

import numpy as np
from PIL import Image

from tests.reference.image_bytes import encoded, exif, picture

XYZ_TO_SRGB = (3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560, 0.0556434, -0.2040259, 1.0572252)
"""A camera that sees linear sRGB: DNG's ColorMatrix1 (XYZ to the camera's colours)."""
JANE = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "StudyDate": "20240131",
    "StudyDescription": "Orthognathic follow-up",
    "AccessionNumber": "ACC-0815",
    "ReferringPhysicianName": "House^Gregory",
    "InstitutionName": "Example University Hospital",
    "DeviceSerialNumber": "SN-99887766",
    "ImageComments": "Jane Doe before surgery",
}
"""What an archive writes about a patient."""


def heic(pixels=None, *, bits=8, orientation=None, **options):
    """A lossless HEIC file by pillow-heif; 10 bits hold the 8-bit values scaled up."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    values = np.asarray(picture()) if pixels is None else pixels
    mode = {2: "L", 3: "RGB" if values.shape[-1] == 3 else "RGBA"}[values.ndim]
    if bits > 8:
        file = pillow_heif.from_bytes(f"{mode};16", values.shape[1::-1], (values.astype(np.uint16) * 257).tobytes())
    else:
        file = pillow_heif.from_bytes(mode, values.shape[1::-1], np.ascontiguousarray(values).tobytes())
    if orientation:
        options["exif"] = exif(orientation=orientation)
    stream = io.BytesIO()
    file.save(stream, quality=-1, chroma=444, matrix_coefficients=0, **options)
    # The turn stands in the container, and pillow-heif writes 1 into EXIF; telephones write both.
    return stream.getvalue().replace(exif(orientation=1)[6:], exif(orientation=orientation)[6:]) if orientation else stream.getvalue()


def dng(mosaic, *, balance=(1, 1, 1), orientation=1):
    """A minimal DNG: an RGGB mosaic of 16-bit linear values, without compression.

    ``balance`` is the camera's neutral (AsShotNeutral).
    """
    height, width = mosaic.shape
    samples = mosaic.astype("<u2").tobytes()

    def shorts(*values):
        return struct.pack(f"<{len(values)}H", *values)

    def fractions(kind, values):
        return b"".join(struct.pack(f"<2{kind}", round(value * 10**6), 10**6) for value in values)

    entries = [
        (254, 4, 1, bytes(4)),
        (256, 4, 1, struct.pack("<I", width)),
        (257, 4, 1, struct.pack("<I", height)),
        (258, 3, 1, shorts(16)),
        (259, 3, 1, shorts(1)),
        (262, 3, 1, shorts(32803)),
        (271, 2, 5, b"Test\0"),
        (272, 2, 5, b"Test\0"),
        (273, 4, 1, b"here"),
        (274, 3, 1, shorts(orientation)),
        (277, 3, 1, shorts(1)),
        (278, 4, 1, struct.pack("<I", height)),
        (279, 4, 1, struct.pack("<I", len(samples))),
        (33421, 3, 2, shorts(2, 2)),
        (33422, 1, 4, bytes((0, 1, 1, 2))),
        (50706, 1, 4, bytes((1, 4, 0, 0))),
        (50708, 2, 5, b"Test\0"),
        (50717, 4, 1, struct.pack("<I", 65535)),
        (50721, 10, 9, fractions("i", XYZ_TO_SRGB)),
        (50728, 5, 3, fractions("I", balance)),
        (50778, 3, 1, shorts(21)),
    ]
    directory, long = struct.pack("<H", len(entries)), b""
    start = 8 + 2 + 12 * len(entries) + 4
    end = start + sum(len(value) + len(value) % 2 for *_, value in entries if len(value) > 4)
    for tag, kind, count, value in entries:
        stored = struct.pack("<I", end) if value == b"here" else value
        if len(stored) > 4:
            stored, long = struct.pack("<I", start + len(long)), long + stored + bytes(len(stored) % 2)
        directory += struct.pack("<HHI", tag, kind, count) + stored.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + long + samples


def mosaic_of(colour, size=(32, 24)):
    """An RGGB mosaic of one linear colour in [0, 1]."""
    mosaic = np.empty(size[::-1])
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = colour[0], colour[2]
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = colour[1]
    return np.rint(mosaic * 65535)


def dicom(pixels=None, *, jpeg=None, sop_class=None, syntax=None, study=None, series=None, **attributes):
    """A DICOM photograph of Jane Doe by pydicom: VL Photographic Image, explicit VR little endian, or with a JPEG within."""
    from pydicom import Dataset, FileMetaDataset, uid
    from pydicom.encaps import encapsulate

    values = np.asarray(picture()) if pixels is None else pixels
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax or (uid.JPEGBaseline8Bit if jpeg else uid.ExplicitVRLittleEndian)
    dataset.SOPClassUID = sop_class or uid.VLPhotographicImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        uid.generate_uid(),
        study or uid.generate_uid(),
        series or uid.generate_uid(),
    )
    dataset.Modality = "XC"
    for name, value in JANE.items():
        setattr(dataset, name, value)
    private = dataset.private_block(0x0041, "EXAMPLE CLINIC", create=True)
    private.add_new(0x01, "LO", "Jane Doe, room 12")
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 3 if values.ndim == 3 else 1
    dataset.PhotometricInterpretation = ("YBR_FULL_422" if jpeg else "RGB") if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    raw = np.ascontiguousarray(values).tobytes()
    dataset.PixelData = encapsulate([jpeg]) if jpeg else raw + bytes(len(raw) % 2)
    dataset["PixelData"].VR = "OB"
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom_of_jpeg(jpeg=None, **attributes):
    """A DICOM photograph with a JPEG within."""
    data = jpeg or encoded("JPEG")
    return dicom(np.asarray(Image.open(io.BytesIO(data))), jpeg=data, **attributes)
