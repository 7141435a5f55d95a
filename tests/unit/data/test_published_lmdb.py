import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from vera.data.procedural import ProceduralFaces
from vera.data.published_lmdb import LMDBDataset, pack
from vera.types import VeraError

lmdb = pytest.importorskip("lmdb")
FACES = 5


def encoded(array, kind, mode=None):
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def write(path, items):
    with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for name, value in items.items():
            transaction.put(name.encode(), value) if value is not None else transaction.delete(name.encode())


@pytest.fixture
def published(tmp_path):
    """Written as the authors' script does: their keys, 24 px, one grey level and one class for each face."""
    path = tmp_path / "lmdb_celebamaskhq"
    items = {"image-length": str(FACES).encode(), "label-length": str(FACES).encode()}
    for n in range(FACES):
        items[f"image-{str(n).zfill(7)}"] = encoded(np.full((24, 24, 3), 40 * n, np.uint8), "jpeg")
        items[f"label-{str(n).zfill(7)}"] = encoded(np.full((24, 24), n, np.uint8), "png")
    write(path, items)
    return path


def test_published_layout_is_read(published):
    data = LMDBDataset(root=published, size=16)
    assert len(data) == FACES
    for n in range(FACES):
        assert data[n]["image"].shape == (3, 16, 16)
        assert data[n]["image"].unique().tolist() == [40 * n]
        assert data[n]["labels"].unique().tolist() == [n]
    with pytest.raises(IndexError):
        data[FACES]
    assert len(LMDBDataset(root=published / "data.mdb", size=16)) == FACES  # the file alone, without a lock file


def test_images_by_lanczos_and_labels_to_the_nearest_class(tmp_path):
    rng = np.random.default_rng(0)
    image = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    label = rng.integers(0, 13, (24, 24)).astype(np.uint8)
    jpeg = encoded(image, "jpeg")
    write(tmp_path / "x", {"image-length": b"1", "label-length": b"1", "image-0000000": jpeg, "label-0000000": encoded(label, "png")})
    sample = LMDBDataset(root=tmp_path / "x", size=8)[0]
    expected = np.asarray(Image.open(io.BytesIO(jpeg)).resize((8, 8), Image.Resampling.LANCZOS))
    assert torch.equal(sample["image"].permute(1, 2, 0), torch.from_numpy(expected.copy()))
    assert torch.equal(sample["labels"], torch.from_numpy(label[1::3, 1::3].copy()))


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.skipif(sys.platform != "linux", reason="how processes start differs elsewhere")
def test_worker_processes_read_what_this_one_reads(published, context):
    data = LMDBDataset(root=published, size=16)
    here = [data[n]["labels"] for n in range(FACES)]  # read before the workers start: nothing open may cross the fork
    with torch.random.fork_rng():
        loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context=context)
        there = [sample["labels"] for sample in loader]
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def test_two_data_sets_on_one_file(published):
    a, b = LMDBDataset(root=published, size=16), LMDBDataset(root=published, size=8)
    assert a[1]["labels"].float().mean() == b[1]["labels"].float().mean() == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image-length": None}, "no key 'image-length'"),
        ({"label-length": b"4"}, "5 images and 4 labels"),
        ({"label-length": b"five"}, "no number"),
        ({"image-length": b"0", "label-length": b"0"}, "0 images"),
    ],
)
def test_incomplete_files_are_refused(published, changes, says):
    write(published, changes)
    with pytest.raises(VeraError, match=says):
        LMDBDataset(root=published, size=16)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label-0000001": None}, "no key 'label-0000001'"),
        ({"image-0000001": b"no image"}, "cannot read face 1"),
        ({"label-0000001": encoded(np.full((24, 24), 13, np.uint8), "png")}, "class 13"),
        ({"label-0000001": encoded(np.zeros((24, 24), np.uint8), "png", "RGB")}, "one channel"),
        ({"image-0000001": encoded(np.zeros((24, 20, 3), np.uint8), "jpeg")}, "square"),
    ],
)
def test_bad_faces_are_refused(published, changes, says):
    write(published, changes)
    data = LMDBDataset(root=published, size=16)
    with pytest.raises(VeraError, match=says):
        data[1]


def test_what_is_no_lmdb(tmp_path):
    with pytest.raises(VeraError, match="no LMDB at"):
        LMDBDataset(root=tmp_path / "nothing", size=16)
    (tmp_path / "text").write_text("text")
    for path in (tmp_path / "text", tmp_path):
        with pytest.raises(VeraError, match="cannot be opened"):
            LMDBDataset(root=path, size=16)


def test_the_missing_package_says_how_to_get_it(published, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(VeraError, match="pip install lmdb"):
        LMDBDataset(root=published, size=16)


def test_packed_faces_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("vera.data.published_lmdb.BATCH", 2)  # more than one transaction
    faces = ProceduralFaces(size=32, count=FACES, seed=0)
    assert pack((faces[n] for n in range(FACES)), tmp_path / "packed") == FACES
    data = LMDBDataset(root=tmp_path / "packed", size=32)
    assert len(data) == FACES
    for n in range(FACES):
        assert torch.equal(data[n]["labels"], faces[n]["labels"])
        assert (data[n]["image"].float() - faces[n]["image"].float()).abs().mean() < 4  # JPEG
    with pytest.raises(VeraError, match="there already"):
        pack(faces, tmp_path / "packed")


def test_an_interrupted_packing_is_no_data_set(tmp_path):
    def interrupted():
        yield ProceduralFaces(size=16, count=1, seed=0)[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(interrupted(), tmp_path / "half")
    assert not list(tmp_path.iterdir())
