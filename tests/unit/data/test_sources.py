import numpy as np
import pytest
import torch
from PIL import Image

from vera.data.folder import FolderDataset
from vera.data.procedural import ProceduralFaces
from vera.data.sample import decode_images, decode_labels
from vera.data.stream import GlobalIndexSampler, Stream
from vera.types import NUM_CLASSES, Semantic, VeraError


@pytest.fixture
def folder(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for n in range(3):
        Image.fromarray(np.full((20, 20, 3), 40 * n, np.uint8)).save(tmp_path / "images" / f"{n}.png")
        Image.fromarray(np.full((20, 20), n, np.uint8)).save(tmp_path / "masks" / f"{n}.png")
    return tmp_path


def open_folder(root, **changes):
    return FolderDataset(**{"root": root, "size": 16, "pattern": "*", "cache": True, **changes})


def test_folder_reads_images_and_masks(folder):
    data = open_folder(folder)
    assert len(data) == 3
    assert data[2]["image"].shape == (3, 16, 16)
    assert data[2]["image"].unique().tolist() == [80]
    assert data[2]["labels"].unique().tolist() == [2]
    assert data[2] is data[2]  # kept in memory
    assert len(open_folder(folder, pattern="1*")) == 1


def test_folder_says_what_is_wrong(folder):
    with pytest.raises(VeraError, match="layout"):
        open_folder(folder / "elsewhere")
    with pytest.raises(VeraError, match="named"):
        open_folder(folder, pattern="nobody*")
    (folder / "masks" / "1.png").unlink()
    with pytest.raises(VeraError, match=r"1\.png"):
        open_folder(folder)
    Image.fromarray(np.full((20, 20), 99, np.uint8)).save(folder / "masks" / "1.png")
    with pytest.raises(VeraError, match="class 99"):
        open_folder(folder)[1]
    (folder / "masks" / "1.png").write_bytes(b"no image")
    with pytest.raises(VeraError, match="cannot read"):
        open_folder(folder)[1]
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / "masks" / "1.png")
    with pytest.raises(VeraError, match="one channel"):
        open_folder(folder)[1]


def test_procedural_faces_are_exact_and_repeatable():
    data, again = ProceduralFaces(size=64, count=4, seed=3), ProceduralFaces(size=64, count=4, seed=3)
    assert torch.equal(data[1]["image"], again[1]["image"])
    assert not torch.equal(data[1]["image"], data[2]["image"])
    seen = set(data[0]["labels"].unique().tolist())
    assert {Semantic.SKIN, Semantic.EYES, Semantic.MOUTH, Semantic.NOSE, Semantic.HAIR, Semantic.NECK} <= seen
    face = data.attributes(0)
    mouth = (data[0]["labels"] == Semantic.MOUTH).nonzero().float()
    assert mouth[:, 1].mean().item() / 64 == pytest.approx(0.5 + face.yaw, abs=0.02)
    with pytest.raises(IndexError):
        data[4]


def test_decoding():
    sample = ProceduralFaces(size=32, count=1, seed=0)[0]
    images, labels = decode_images(sample["image"][None]), decode_labels(sample["labels"][None])
    assert -1 <= images.min() < images.max() <= 1
    assert labels.shape == (1, NUM_CLASSES, 32, 32)
    assert torch.equal(labels.argmax(1), sample["labels"][None].long())


def test_an_image_of_the_stream_depends_on_its_number_alone():
    data = ProceduralFaces(size=16, count=5, seed=0)
    straight, jumping = Stream(data, seed=1, mirror=True), Stream(data, seed=1, mirror=True)
    forward = [straight[n]["image"] for n in range(12)]
    assert all(torch.equal(jumping[n]["image"], forward[n]) for n in (11, 0, 7, 3))
    other = Stream(data, seed=2, mirror=True)
    assert any(not torch.equal(other[n]["image"], forward[n]) for n in range(12))


def test_an_augmented_image_depends_on_its_number_alone_and_is_another_one():
    class Invert:
        numbers = 2

        def __call__(self, sample, uniform):
            seen.append(uniform)
            return {**sample, "image": 255 - sample["image"]}

    seen: list = []
    data = ProceduralFaces(size=16, count=5, seed=0)
    plain, changed = Stream(data, seed=1, mirror=True), Stream(data, seed=1, mirror=True, augment=Invert())
    assert all(torch.equal(changed[n]["image"], 255 - plain[n]["image"]) for n in (3, 3, 4))
    assert (seen[0] == seen[1]).all()
    assert (seen[0] != seen[2]).any()


def test_every_epoch_shows_every_face_once_in_another_order():
    stream = Stream(ProceduralFaces(size=16, count=6, seed=0), seed=1, mirror=False)
    orders = []
    for epoch in range(3):
        for n in range(6):
            stream[6 * epoch + n]
        orders.append(stream._order.tolist())
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_ranks_are_dealt_the_one_stream_round_robin():
    def take(rank, ranks, count):
        iterator = iter(GlobalIndexSampler(lambda: 100, rank=rank, ranks=ranks))
        return [next(iterator) for _ in range(count)]

    assert take(0, 1, 6) == list(range(100, 106))
    assert sorted(take(0, 2, 3) + take(1, 2, 3)) == take(0, 1, 6)
