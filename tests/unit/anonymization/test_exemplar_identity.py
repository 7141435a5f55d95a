from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from vera.anonymization.exemplar_identity import ExemplarIdentity, load_identity
from vera.exemplars.identity import Exemplar
from vera.mosaic.partners import PARTS
from vera.mosaic.points import REGIONS
from vera.types import VeraError

ROWS = 5
SOUND = {
    "rows": torch.arange(ROWS), "weights": torch.full((ROWS,), 1 / ROWS, dtype=torch.float64),
    "shapes": torch.full((len(REGIONS), ROWS), 1 / ROWS, dtype=torch.float64), "parts": torch.zeros(len(PARTS), dtype=torch.int64),
    "exaggeration": torch.tensor([1.25], dtype=torch.float64),
    "brown_eyes": torch.tensor([True]),
}  # fmt: skip


def forged(path, tensors=None, **facts):
    """An identity's file that somebody else made."""
    known = {"vera_identity": "4", "bundle": "b" * 64, "seed": "1", "number": "0", **facts}
    save_file({**SOUND, **(tensors or {})}, path, {name: value for name, value in known.items() if value is not None})
    return path


def test_saved_and_given_again(tmp_path):
    own = Exemplar(*(SOUND[name].numpy() for name in ("rows", "weights", "shapes", "parts")), 1.25, True)
    ExemplarIdentity(own, "b" * 64, 7, 3).save(tmp_path / "id")
    again = load_identity(tmp_path / "id")
    assert isinstance(again, ExemplarIdentity)
    assert (again.bundle, again.seed, again.number, again.exemplar.exaggeration, again.exemplar.brown_eyes) == ("b" * 64, 7, 3, 1.25, True)
    for name in ("rows", "weights", "shapes", "parts"):
        np.testing.assert_array_equal(getattr(again.exemplar, name), getattr(own, name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", torch.zeros((), dtype=torch.int64)), ("rows", torch.arange(2)), ("rows", torch.arange(ROWS).float()),
        ("rows", torch.arange(ROWS)[None]), ("weights", torch.full((ROWS,), 0.2)), ("weights", torch.full((ROWS,), 0.2).bfloat16()),
        ("weights", torch.full((ROWS,), float("nan"), dtype=torch.float64)), ("weights", torch.zeros(ROWS, dtype=torch.float64)),
        ("weights", torch.tensor([1.0, 0, 0, 0, 0], dtype=torch.float64)), ("weights", torch.tensor(1.0, dtype=torch.float64)),
        ("weights", torch.tensor([2.0, -1, 0, 0, 0], dtype=torch.float64)), ("shapes", torch.full((ROWS,), 0.2, dtype=torch.float64)),
        ("parts", torch.full((len(PARTS),), ROWS)), ("parts", torch.full((len(PARTS),), -1)), ("parts", torch.zeros(1, dtype=torch.int64)),
        ("exaggeration", torch.tensor(1.0, dtype=torch.float64)), ("exaggeration", torch.tensor([-1.0], dtype=torch.float64)),
        ("exaggeration", torch.tensor([1e9], dtype=torch.float64)), ("exaggeration", torch.tensor([], dtype=torch.float64)),
        ("brown_eyes", torch.tensor([1.0])), ("brown_eyes", torch.tensor(True)), ("more", torch.zeros(1)),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{tuple(value.shape)}{value.flatten()[:1].tolist()}{value.dtype}",
)  # fmt: skip
def test_an_identity_has_the_shapes_and_ranges_of_a_drawn_one(tmp_path, name, value):
    with pytest.raises(VeraError, match="the identity") as told:
        load_identity(forged(tmp_path / "id", {name: value}))
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("written", ["2", "3"])
def test_an_identity_of_an_earlier_format_is_refused(tmp_path, written):
    with pytest.raises(VeraError, match=r"earlier version of VerA.*anonymize all photographs of this person anew"):
        load_identity(forged(tmp_path / "id", vera_identity=written))


@pytest.mark.parametrize("name", ["seed", "number"])
@pytest.mark.parametrize("value", [None, "", "x", "-1", "1.5", "9" * 400])
def test_an_identitys_facts_have_their_ranges(tmp_path, name, value):
    with pytest.raises(VeraError, match=name):
        load_identity(forged(tmp_path / "id", **{name: value}))


@settings(max_examples=40, deadline=None, database=None)
@given(data=st.data())
def test_any_bytes_are_an_identity_or_one_sentence(tmp_path_factory, data):
    path = forged(tmp_path_factory.getbasetemp() / "fuzzed_exemplar")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(VeraError):
        load_identity(path)
