import numpy as np
import pytest

from vera.evaluation.metrics.recognition import ReIdentification
from vera.types import VeraError

PEOPLE = [f"person{i // 2}" for i in range(20)]
PHOTOGRAPHS = [f"photograph{i}" for i in range(20)]


@pytest.fixture
def faces():
    """Two photographs of each of ten people: centres two apart, photographs 0.1."""
    rng = np.random.default_rng(0)
    centres = np.eye(10)[np.arange(20) // 2] * 2
    return centres + 0.02 * rng.normal(size=(20, 10))


def metric(faces, **options):
    made = ReIdentification(**{"distance": "euclidean", "thresholds": {"own": 0.6}, **options})
    made.add_gallery(faces, PEOPLE, PHOTOGRAPHS)
    return made


def test_the_identity_function_is_always_found_again(faces):
    judged = metric(faces)
    judged.update(faces, PEOPLE, PHOTOGRAPHS)
    result = judged.compute()
    assert result["rank_1"]["share"] == result["rank_5"]["share"] == result["recognised"]["own"]["share"] == 1
    assert result["median_distance"] == 0
    assert result["people_in_gallery"] == 10


def test_other_photographs_of_a_person_find_them_without_the_source(faces):
    judged = metric(faces, source_in_gallery=False)
    judged.update(faces, PEOPLE, PHOTOGRAPHS)
    result = judged.compute()
    assert result["rank_1"]["share"] == 1
    assert 0 < result["median_distance"] < 0.6
    alone = ReIdentification("euclidean", thresholds={"own": 0.6}, source_in_gallery=False)
    alone.add_gallery(faces[::2], PEOPLE[::2], PHOTOGRAPHS[::2])
    alone.update(faces[:3], PEOPLE[:3], PHOTOGRAPHS[:3])
    assert alone.compute()["not_in_gallery"] == 2  # photographs 0 and 2 are their people's only ones
    assert alone.compute()["rank_1"]["of"] == 1


def test_ranks_count_people_and_agree_with_a_plain_loop(faces):
    rng = np.random.default_rng(1)
    probes = faces + rng.normal(size=faces.shape)
    judged = metric(faces, ranks=(1, 2, 5), thresholds={"strict": 1.0, "loose": 3.0})
    for part in (slice(0, 7), slice(7, 20)):
        judged.update(probes[part], PEOPLE[part], PHOTOGRAPHS[part])
    result = judged.compute()
    ranks, own = [], []
    for probe, person in zip(probes, PEOPLE, strict=True):
        nearest = {p: min(np.linalg.norm(probe - f) for f, q in zip(faces, PEOPLE, strict=True) if q == p) for p in set(PEOPLE)}
        ranks.append(sorted(nearest, key=nearest.get).index(person))
        own.append(nearest[person])
    assert 0 < result["rank_1"]["count"] < 20
    for k in (1, 2, 5):
        assert result[f"rank_{k}"]["count"] == sum(rank < k for rank in ranks)
    for name, threshold in (("strict", 1.0), ("loose", 3.0)):
        assert result["recognised"][name]["count"] == sum(distance < threshold for distance in own)
    np.testing.assert_allclose(judged.distances(), sorted(own))
    assert result["median_distance"] == pytest.approx(np.median(own))


def test_by_group(faces):
    judged = metric(faces, groups=("women", "men", "nobody"))
    probes = faces.copy()
    probes[10:] = faces[(np.arange(10, 20) + 4) % 20]  # taken for somebody else
    judged.update(probes, PEOPLE, PHOTOGRAPHS, ["women"] * 10 + ["men"] * 9 + [None])
    result = judged.compute()
    assert result["rank_1"] | {"low": 0, "high": 0} == {"share": 0.5, "count": 10, "of": 20, "low": 0, "high": 0, "people": 10}
    assert {name: part["rank_1"]["share"] for name, part in result["groups"].items()} == {"women": 1.0, "men": 0.0}
    assert result["groups"]["men"]["recognised"]["own"]["of"] == 9
    with pytest.raises(VeraError, match="'children'"):
        judged.update(faces[:1], PEOPLE[:1], PHOTOGRAPHS[:1], ["children"])


def test_no_embedding_counts_as_not_identified_and_stays_in_the_denominator(faces):
    judged = metric(faces)
    probes = faces.copy()
    probes[:5] = np.nan
    judged.update(probes, PEOPLE, PHOTOGRAPHS)
    result = judged.compute()
    assert (result["rank_1"]["count"], result["rank_1"]["of"], result["without_embedding"]) == (15, 20, 5)
    assert result["recognised"]["own"]["count"] == 15


def test_a_recognisers_own_distance_is_the_same_as_scipys(faces):
    rng = np.random.default_rng(2)
    probes = faces + 0.5 * rng.normal(size=faces.shape)
    results = []
    for distance in ("euclidean", lambda a, b: float(np.linalg.norm(a - b))):
        judged = metric(faces, distance=distance)
        judged.update(probes, PEOPLE, PHOTOGRAPHS)
        results.append(judged.compute())
    assert results[0]["rank_1"] == results[1]["rank_1"]
    assert results[0]["median_distance"] == pytest.approx(results[1]["median_distance"])


def test_people_outside_the_gallery_and_an_empty_metric(faces):
    judged = metric(faces)
    assert judged.compute()["rank_1"]["share"] is None
    judged.update(faces[:2], ["stranger", "person0"], PHOTOGRAPHS[:2])
    result = judged.compute()
    assert (result["not_in_gallery"], result["rank_1"]["of"]) == (1, 1)
    with pytest.raises(VeraError, match="N names"):
        judged.update(faces, PEOPLE[:3], PHOTOGRAPHS)


def test_a_gallery_added_later_changes_the_answer(faces):
    judged = ReIdentification("euclidean", thresholds={})
    judged.update(faces, PEOPLE, PHOTOGRAPHS)
    assert judged.compute()["not_in_gallery"] == 20
    judged.add_gallery(faces, PEOPLE, PHOTOGRAPHS)
    assert judged.compute()["rank_1"]["share"] == 1
