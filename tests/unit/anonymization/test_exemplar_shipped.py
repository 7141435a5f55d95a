"""The default renderer with the shipped bank on a real photograph."""

import numpy as np
import pytest
import skimage.data

import vera

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def portrait():
    """The astronaut's head and shoulders."""
    return np.ascontiguousarray(skimage.data.astronaut()[0:320, 80:380])


@pytest.fixture(scope="module")
def made(portrait):
    return anonymized(portrait, 1)


def anonymized(portrait, seed, **more):
    return vera.anonymize([portrait], preserve=["mouth"], identity=seed, person="p", **more)[0]


def test_only_the_face_changes_and_what_is_preserved_stays(made, portrait):
    changed = (made.image != portrait).any(axis=2)
    edge = changed & ~made.replaced
    assert made.preserved.any()
    assert not changed[made.preserved].any()
    assert changed[made.replaced].mean() > 0.9
    assert edge.sum() <= made.audit["photographs"][0]["hair_edge_pixels"]
    assert edge.mean() < 0.02


def test_the_same_seed_gives_the_same_bytes(made, portrait):
    np.testing.assert_array_equal(anonymized(portrait, 1).image, made.image)


def test_another_seed_gives_another_face(made, portrait):
    other = anonymized(portrait, 2)
    np.testing.assert_array_equal(other.replaced, made.replaced)
    difference = np.abs(other.image.astype(int) - made.image)[made.replaced]
    assert difference.mean() > 2
