import pytest

from vera.data.people import Person, PhotographFile, lfw
from vera.data.verification_pairs import draw_pairs, read_pairs
from vera.types import VeraError

TWO_FOLDS = "2\t1\nA\t1\t2\nA\t1\tB\t1\nB\t1\t2\nB\t2\tC_D\t1\n"


@pytest.fixture
def root(tmp_path):
    for name, count in (("A", 2), ("B", 2), ("C_D", 1)):
        (tmp_path / "lfw" / name).mkdir(parents=True)
        for n in range(1, count + 1):
            (tmp_path / "lfw" / name / f"{name}_{n:04d}.jpg").touch()
    return tmp_path / "lfw"


@pytest.fixture
def read(tmp_path, root):
    def from_text(text):
        (tmp_path / "pairs.txt").write_text(text)
        return read_pairs(tmp_path / "pairs.txt", root)

    return from_text


def shown(pairs):
    return [(pair.fold, pair.same, pair.first.stem, pair.second.stem) for pair in pairs]


def test_folds_hold_both_sections(read, root):
    pairs = read(TWO_FOLDS)
    assert shown(pairs) == [
        (0, True, "A_0001", "A_0002"),
        (0, False, "A_0001", "B_0001"),
        (1, True, "B_0001", "B_0002"),
        (1, False, "B_0002", "C_D_0001"),
    ]
    assert pairs[3].second == root / "C_D" / "C_D_0001.jpg"


def test_one_fold_with_the_short_heading(read):
    assert shown(read("1\nA 1 2\nB 1 C_D 1\n\n")) == [(0, True, "A_0001", "A_0002"), (0, False, "B_0001", "C_D_0001")]


def test_other_suffixes(read, root):
    (root / "A" / "A_0001.jpg").rename(root / "A" / "A_0001.png")
    assert read("1\nA 1 2\nA 1 B 1\n")[0].first == root / "A" / "A_0001.png"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: LFW's pairs begin"),
        ("A 1 2\n", "line 1: LFW's pairs begin"),
        ("0 3\n", "line 1: LFW's pairs begin"),
        ("2 1\nA 1 2\nA 1 B 1\n", "ends after 2 of 4 pairs"),
        ("1\nA 1 2\nB 1 2\n", "line 3: a pair of two people has the form NAME I OTHER J"),
        ("1\nA one 2\nA 1 B 1\n", "line 2: a pair of one person has the form NAME I J"),
        ("1\nA 1 2\nA 1 B 1\nA 1 B 2\n", "line 4: there are more pairs"),
        ("1\nA 1 9\nA 1 N 1\n", "lacks 2 photographs .* A/A_0009.jpg"),
    ],
)
def test_pairs_refuse(read, text, says):
    with pytest.raises(VeraError, match=says):
        read(text)


def people(count, each, tmp_path):
    return [Person(f"p{n}", tuple(PhotographFile(str(i), tmp_path / f"p{n}" / f"{i}.jpg") for i in range(each))) for n in range(count)]


def test_drawn_pairs_are_balanced_different_and_of_disjoint_people(tmp_path):
    pairs = draw_pairs(people(12, 3, tmp_path), folds=3, count=9, seed=1)
    assert len(pairs) == 3 * 2 * 9
    assert len({frozenset((pair.first, pair.second)) for pair in pairs}) == len(pairs)
    assert all((pair.first.parent == pair.second.parent) == pair.same for pair in pairs)
    assert all(sum(p.same for p in pairs if p.fold == fold) == 9 for fold in range(3))
    homes = [{path.parent for p in pairs if p.fold == fold for path in (p.first, p.second)} for fold in range(3)]
    assert not (homes[0] & homes[1] | homes[0] & homes[2] | homes[1] & homes[2])


def test_drawn_pairs_depend_on_the_seed_alone(tmp_path):
    everybody = people(12, 3, tmp_path)
    first, again, other = (draw_pairs(everybody, folds=2, count=5, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_all_pairs_can_be_drawn_and_no_more(tmp_path, root):
    everybody = people(3, 2, tmp_path)
    assert len(draw_pairs(everybody, folds=1, count=3, seed=0)) == 6
    with pytest.raises(VeraError, match="3 pairs of one person, 4 were asked"):
        draw_pairs(everybody, folds=1, count=4, seed=0)
    with pytest.raises(VeraError, match="0 pairs of two people"):
        draw_pairs(lfw(root)[:1], folds=1, count=1, seed=0)
