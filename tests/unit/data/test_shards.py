"""Shards give what the folder gives that they were packed from, and say what is wrong with them."""

import io
import json
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from vera.data.folder import FolderDataset
from vera.data.packing import pack
from vera.data.procedural import ProceduralFaces
from vera.data.shard_index import INDEX, read_index, scan
from vera.data.shards import ShardsDataset
from vera.data.stream import GlobalIndexSampler, Stream
from vera.types import VeraError

FACES = 7
OPTIONS = {"size": 16, "pattern": "*", "cache": False}


@pytest.fixture
def folder(tmp_path):
    """Photographs in two encodings, of another size than is asked for; their names sort otherwise than their stems."""
    faces = ProceduralFaces(size=24, count=FACES, seed=0)
    for kind in ("images", "masks"):
        (tmp_path / "folder" / kind).mkdir(parents=True)
    for n, name in enumerate(("a.png", "a-b.jpg", "b_neutral.jpg", "c.JPG", "d.jpeg", "e.png", "f_neutral.png")):
        image = Image.fromarray(faces[n]["image"].permute(1, 2, 0).numpy())
        image.save(tmp_path / "folder" / "images" / name)
        Image.fromarray(faces[n]["labels"].numpy()).save(tmp_path / "folder" / "masks" / f"{name.partition('.')[0]}.png")
    return tmp_path / "folder"


@pytest.fixture
def shards(folder, tmp_path):
    """Three of them."""
    assert pack(FolderDataset(root=folder, **OPTIONS).pairs, tmp_path / "packed" / "shards", shard_size=3) == FACES
    return tmp_path / "packed" / "shards"


def encoded(array, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return buffer.getvalue()


GREY = encoded(np.full((20, 20, 3), 80, np.uint8))
MASK = encoded(np.full((20, 20), 2, np.uint8))


def write(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def same(a, b):
    return all(torch.equal(a[part], b[part]) for part in ("image", "labels"))


@pytest.mark.parametrize("indexed", [True, False])
def test_same_items_in_the_same_order_as_the_folder(folder, shards, indexed):
    if not indexed:
        (shards / INDEX).unlink()
    for pattern in ("*", "*_neutral*", "*.png"):
        files = FolderDataset(root=folder, **{**OPTIONS, "pattern": pattern})
        packed = ShardsDataset(root=shards, **{**OPTIONS, "pattern": pattern})
        assert len(packed) == len(files)
        assert all(same(packed[n], files[n]) for n in range(len(files)))
    with pytest.raises(IndexError):
        packed[len(packed)]


def test_packing_is_repeatable_and_keeps_the_bytes(folder, shards, tmp_path):
    assert sorted(file.name for file in shards.iterdir()) == ["000000.tar", "000001.tar", "000002.tar", INDEX]
    with tarfile.open(shards / "000000.tar") as archive:
        assert archive.getnames() == ["a-b.jpg", "a-b.mask.png", "a.png", "a.mask.png", "b_neutral.jpg", "b_neutral.mask.png"]
        assert archive.extractfile("a-b.jpg").read() == (folder / "images" / "a-b.jpg").read_bytes()
    pack(FolderDataset(root=folder, **OPTIONS).pairs, tmp_path / "again", shard_size=3)
    assert all((tmp_path / "again" / file.name).read_bytes() == file.read_bytes() for file in shards.iterdir())
    assert [file.name for file in shards.parent.iterdir()] == ["shards"]  # nothing temporary is left


def test_decoded_faces_are_kept_in_memory_if_wanted(shards):
    kept, fresh = (ShardsDataset(root=shards, **{**OPTIONS, "cache": cache}) for cache in (True, False))
    assert kept[2] is kept[2]
    assert fresh[2] is not fresh[2]
    assert same(kept[2], fresh[2])


def test_a_run_goes_on_at_any_image(folder, shards):
    """Image n of the stream is the same whoever reads it, from the beginning or from where a run was stopped."""
    whole = Stream(FolderDataset(root=folder, **OPTIONS), seed=1, mirror=True)
    expected = [whole[n] for n in range(3 * FACES)]
    data = pickle.loads(pickle.dumps(ShardsDataset(root=shards, **OPTIONS)))  # as a spawned loader process gets it
    sampler = GlobalIndexSampler(lambda: FACES + 2, rank=0, ranks=1)
    with torch.random.fork_rng():
        loader = iter(DataLoader(Stream(data, seed=1, mirror=True), batch_size=None, sampler=sampler, num_workers=2))
        resumed = [next(loader) for _ in range(2 * FACES - 2)]
        del loader
    assert all(same(a, b) for a, b in zip(resumed, expected[FACES + 2 :], strict=True))


def test_shards_of_others_are_read(tmp_path):
    """WebDataset's own: folders in keys, other members beside the face, masks before images, a lossless webp, long names."""
    grey = np.full((20, 20, 3), 80, np.uint8)
    other = {"y/long" + "g" * 120: encoded(grey, "WEBP"), "x/0": GREY}
    for number, (key, image) in enumerate(other.items()):
        kind = "webp" if number == 0 else "png"
        write(tmp_path / f"{number}.tar", [(f"{key}.json", b"{}"), (f"{key}.mask.png", MASK), (f"{key}.{kind}", image), (".hidden", b"")])
    data = ShardsDataset(root=tmp_path, **OPTIONS)
    assert [face.name.partition("/")[0] for _, face in data.faces] == ["y", "x"]
    for n in range(2):
        assert data[n]["image"].unique().tolist() == [80]
        assert data[n]["labels"].unique().tolist() == [2]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("a.png", GREY)], "'a' has no mask"),
        ([("a.mask.png", MASK)], "'a' has no image"),
        ([("a.png", GREY), ("a.jpg", GREY), ("a.mask.png", MASK)], "two images of 'a'"),
        ([("a.png", GREY), ("a.mask.png", MASK), ("a.mask.png", MASK)], "two masks of 'a'"),
        ([("a.txt", b"text")], "no image named"),
    ],
)
def test_incomplete_faces_are_refused(tmp_path, members, says):
    write(tmp_path / "0.tar", members)
    with pytest.raises(VeraError, match=says):
        ShardsDataset(root=tmp_path, **OPTIONS)


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("cut", ["at a member", "in a member", "all"])
def test_a_shard_that_was_cut_off_is_refused(shards, cut, indexed):
    path = shards / "000001.tar"
    face = scan(path).faces[1]
    with path.open("r+b") as file:
        file.truncate({"at a member": face.image - 512, "in a member": face.mask + 3, "all": 0}[cut])
    if not indexed:
        (shards / INDEX).unlink()
    with pytest.raises(VeraError, match=r"000001\.tar.*copy"):
        ShardsDataset(root=shards, **OPTIONS)


def test_a_damaged_header_does_not_shorten_the_data_set(shards):
    path = shards / "000001.tar"
    face = scan(path).faces[1]
    with path.open("r+b") as file:
        file.seek(face.image - 512)
        file.write(b"x" * 512)
    with pytest.raises(VeraError, match=r"000001\.tar.*damaged"):
        scan(path)


def test_a_damaged_face_is_named(shards):
    _, _, third = read_index(shards)
    face = third.faces[0]
    with third.path.open("r+b") as file:
        file.seek(face.image)
        file.write(bytes(face.image_bytes))
    data = ShardsDataset(root=shards, **OPTIONS)
    assert data[0]["image"].shape == (3, 16, 16)
    with pytest.raises(VeraError, match=rf"cannot read '{face.name}' in '.*000002\.tar'"):
        data[6]
    third.path.unlink()
    with pytest.raises(VeraError, match="cannot read"):
        data[6]


class TestAtAnAddress:
    """Shards that fsspec reads, here in memory or by an address of this machine."""

    @pytest.fixture
    def memory(self, shards):
        system = pytest.importorskip("fsspec").filesystem("memory")
        system.put(str(shards), "/shards", recursive=True)
        yield system
        system.rm("/shards", recursive=True)

    def test_faces_are_those_on_disk(self, shards, memory):
        here, there = ShardsDataset(root=shards, **OPTIONS), ShardsDataset(root="memory://shards", **OPTIONS)
        assert len(there) == FACES
        assert all(same(here[n], there[n]) for n in range(FACES))

    def test_forked_loaders_read_them(self, shards):
        pytest.importorskip("fsspec")
        data = ShardsDataset(root=f"file://{shards}", **OPTIONS)
        sampler = GlobalIndexSampler(lambda: 0, rank=0, ranks=1)
        with torch.random.fork_rng():
            loader = iter(DataLoader(Stream(data, seed=1, mirror=False), batch_size=None, sampler=sampler, num_workers=1))
            assert same(next(loader), Stream(ShardsDataset(root=shards, **OPTIONS), seed=1, mirror=False)[0])
            del loader

    def test_what_does_not_fit_is_refused(self, memory):
        with pytest.raises(VeraError, match=r"no index at 'memory://nowhere/index\.json'"):
            ShardsDataset(root="memory://nowhere", **OPTIONS)
        memory.pipe("/shards/000001.tar", b"cut off")
        with pytest.raises(VeraError, match=r"'memory://shards/000001\.tar' has 7 bytes"):
            ShardsDataset(root="memory://shards", **OPTIONS)
        memory.rm("/shards/000001.tar")
        with pytest.raises(VeraError, match=r"no shard at 'memory://shards/000001\.tar'"):
            ShardsDataset(root="memory://shards", **OPTIONS)
        memory.pipe("/shards/index.json", b'[{"name": "../000000.tar", "bytes": 1, "faces": []}]')
        with pytest.raises(VeraError, match="cannot be read as an index"):
            ShardsDataset(root="memory://shards", **OPTIONS)


def test_an_index_of_other_shards_is_refused(shards):
    (shards / "000002.tar").rename(shards / "000003.tar")
    with pytest.raises(VeraError, match=r"same shards \(000002\.tar\)"):
        read_index(shards)
    (shards / INDEX).write_text(json.dumps([{"name": "000000.tar"}]))
    with pytest.raises(VeraError, match="cannot be read as an index"):
        read_index(shards)
    (shards / INDEX).unlink()
    assert len(ShardsDataset(root=shards, **OPTIONS)) == FACES


def test_no_shards(tmp_path):
    with pytest.raises(VeraError, match=r"no \.tar file"):
        ShardsDataset(root=tmp_path, **OPTIONS)
    (tmp_path / "0.tar").write_bytes(b"text" * 1000)
    with pytest.raises(VeraError, match="not a complete tar file"):
        ShardsDataset(root=tmp_path, **OPTIONS)


def test_what_cannot_be_packed(folder, tmp_path):
    pairs = FolderDataset(root=folder, **OPTIONS).pairs
    (tmp_path / "there").mkdir()
    with pytest.raises(VeraError, match="there already"):
        pack(pairs, tmp_path / "there", shard_size=3)
    with pytest.raises(VeraError, match="first dot"):
        pack([(folder / "images" / "a.b.png", folder / "masks" / "a.png")], tmp_path / "dotted", shard_size=3)
    with pytest.raises(VeraError, match="cannot be packed"):
        pack([*pairs, (folder / "images" / "gone.png", folder / "masks" / "gone.png")], tmp_path / "gone", shard_size=3)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "there"]  # an interrupted packing leaves nothing
