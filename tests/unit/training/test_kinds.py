"""Kinds of faces for a bank, as the data's records name them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vera.data.folder import FolderDataset
from vera.training.export.autoencoder import _kinds
from vera.types import VeraError

SEXES = ["male", "female", "female", "male", "female", "female", "female", "male", "male", "male"]


@pytest.fixture
def mosaics(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    lines = []
    for number, sex in enumerate(SEXES):
        name = f"{number:06d}_neutral"
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "masks" / f"{name}.png")
        lines.append(json.dumps({"name": name, "identity": number, "role": "neutral", "sex": sex, "age": 30 + number % 2}))
    (tmp_path / "meta.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "settings.json").write_text(json.dumps({"roles": ["neutral"]}))
    return FolderDataset(root=tmp_path, size=16, pattern="*", cache=False)


def test_faces_are_dealt_by_a_field_of_their_records(mosaics):
    assert _kinds(mosaics, "sex") == {"female": [1, 2, 4, 5, 6], "male": [0, 3, 7, 8, 9]}
    assert _kinds(mosaics, "age") == {"30": [0, 2, 4, 6, 8], "31": [1, 3, 5, 7, 9]}
    assert list(_kinds(mosaics, "sex")) == ["female", "male"]


def test_without_a_field_all_are_of_one_kind(mosaics):
    assert _kinds(mosaics, None) == {"": list(range(10))}


def test_what_is_not_known_or_too_few_is_refused(mosaics):
    with pytest.raises(VeraError, match="does not say it of '000000_neutral'"):
        _kinds(mosaics, "shoe_size")
    with pytest.raises(VeraError, match="a mixture takes 5 faces"):
        _kinds(mosaics, "name")
    with pytest.raises(VeraError, match="no names to look up"):
        _kinds(SimpleNamespace(__len__=lambda: 3), "sex")
