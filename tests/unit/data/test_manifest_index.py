import pytest

from vera.data import manifest_index
from vera.data.manifest import read_manifest
from vera.data.manifest_index import ManifestIndex
from vera.types import VeraError

ROWS = [("b", "before", "b1.jpg", ""), ("a", "before", "x/a1.jpg", "a1.png"), ("b", "after", "b2.jpg", ""), ("a\n,", "", '"c".jpg', "")]


def cell(text):
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture
def table(tmp_path):
    def write(rows, header="person,role,path,mask"):
        path = tmp_path / "pairs.csv"
        path.write_text(header + "\r\n\r\n" + "".join(",".join(map(cell, row)) + "\r\n" for row in rows), encoding="utf-8-sig", newline="")
        return path

    return write


def test_people_are_those_that_are_read_at_once(table, tmp_path):
    rows = [(f" {person} ", *others) for person, *others in ROWS if person != "a\n,"]
    for _, _, path, mask in rows:
        for name in filter(None, (path, mask)):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
    index = ManifestIndex(table(rows))
    assert index.people(0, 5) == read_manifest(table(rows), groups=False)
    assert (len(index), index.photographs, index.photographs_before(1)) == (2, 3, 2)
    assert index.people(1, 2) == index.people(0, 2)[1:]


def test_a_parquet_file_says_the_same(table, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra archives)")
    from pyarrow import parquet

    columns = dict(zip(("person", "role", "path", "mask"), map(list, zip(*ROWS[:3], strict=True)), strict=True))
    columns["mask"] = [mask or None for mask in columns["mask"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "pairs.parquet", row_group_size=2)
    assert ManifestIndex(tmp_path / "pairs.parquet").people(0, 2) == ManifestIndex(table(ROWS[:3])).people(0, 2)
    parquet.write_table(pyarrow.table(columns | {"person": [1, 2, 3]}), tmp_path / "numbers.parquet")
    with pytest.raises(VeraError, match="int64 in the column 'person': save all columns as texts"):
        ManifestIndex(tmp_path / "numbers.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "pairs.parquet").read_bytes()[:-7])
    with pytest.raises(VeraError, match=r"cut\.parquet is damaged"):
        ManifestIndex(tmp_path / "cut.parquet")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "names no photograph"),
        ([("", "r", "a.jpg", "")], "line 3: person and path must not be empty"),
        ([("a", "r", " ", "")], "line 3: person and path must not be empty"),
        ([("a\u202e", "r", "a.jpg", "")], "signs that can't be shown"),
        ([("a", "r", "a.jpg")], "line 3: has not as many cells as the header"),
        ([("a", "r", "é.jpg", ""), ("b", "r", "x/E\u0301.png", "")], "é.jpg and x/E\u0301.png would both be written as é.png"),
        ([("a", "r", "a" * (1 << 20), "")], "more than"),
    ],
)
def test_what_can_be_told_is_told_at_once(table, rows, said):
    with pytest.raises(VeraError, match=said):
        ManifestIndex(table(rows))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"person,role,path\na,b,\xff.jpg\n", "no text in UTF-8"),
        (b'person,role,path\na,b,"c.jpg\n', "can't be read as CSV"),
        (b"person,role,path,path \n", "two columns of the same name"),
        (b"person,role,file\n", "it needs person, path"),
        (b"", "it needs person, path"),
    ],
)
def test_a_file_that_is_no_such_table(tmp_path, content, said):
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(VeraError, match=said):
        ManifestIndex(tmp_path / "pairs.csv")


def test_views_are_known_and_roles_may_be_missing(table):
    (person,) = ManifestIndex(table([("a", "a.jpg", " Oblique ")], "person,path,view")).people(0, 1)
    assert [(file.role, file.view) for file in person.photographs] == [("", "oblique")]
    with pytest.raises(VeraError, match="line 3: unknown view 'sideways': choose from frontal"):
        ManifestIndex(table([("a", "a.jpg", "sideways")], "person,path,view"))


def test_a_parquet_file_with_two_columns_of_one_name(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra archives)")
    from pyarrow import parquet

    arrays = [pyarrow.array([text]) for text in ("a", "one.jpg", "other.jpg")]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=["person", "path", "path"]), tmp_path / "two.parquet")
    with pytest.raises(VeraError, match="two columns of the same name"):
        ManifestIndex(tmp_path / "two.parquet")


@pytest.mark.parametrize(("rows", "said"), [(3, "a cell of 10,000,000 bytes"), (14, "more than 128 MiB in one column of a group of rows")])
def test_a_parquet_file_with_pictures_in_its_cells(tmp_path, rows, said):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra archives)")
    from pyarrow import parquet

    texts = pyarrow.array([f"{number:08d}" + "x" * 9_999_992 for number in range(rows)])
    table = pyarrow.table({"person": ["a"] * rows, "role": ["r"] * rows, "path": texts})
    parquet.write_table(table, tmp_path / "large.parquet", compression="snappy")
    del table, texts
    with pytest.raises(VeraError, match=said):
        ManifestIndex(tmp_path / "large.parquet")
    assert pyarrow.total_allocated_bytes() < 50_000_000


@pytest.mark.parametrize("column", ["person", "path"])
def test_a_parquet_file_with_texts_that_are_none(tmp_path, column):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra archives)")
    from pyarrow import parquet

    cells = {"person": pyarrow.array(["a", "b"]), "path": pyarrow.array(["a.jpg", "b.jpg"])}
    raw = pyarrow.array([b"p\xff", b"q\xfe"], pyarrow.binary())
    cells[column] = pyarrow.Array.from_buffers(pyarrow.string(), 2, raw.buffers())
    parquet.write_table(pyarrow.table(cells), tmp_path / "m.parquet")
    with pytest.raises(VeraError, match="texts that are not in UTF-8"):
        ManifestIndex(tmp_path / "m.parquet")


def test_a_long_cell_that_is_repeated_is_never_written_out(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra archives)")
    from pyarrow import parquet

    count = 20_000  # 200 GB, if each row had its own
    repeated = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * count, pyarrow.int32()), pyarrow.array(["x" * 10_000_000]))
    table = pyarrow.table({"person": ["a"] * count, "role": ["r"] * count, "path": repeated})
    parquet.write_table(table, tmp_path / "p.parquet", store_schema=False)
    with pytest.raises(VeraError, match="a cell of 10,000,000 bytes"):
        ManifestIndex(tmp_path / "p.parquet")


def test_names_must_differ_in_a_folder_only(table):
    path = table([("a", "r", "x/1.jpg", ""), ("b", "r", "y/1.png", ""), ("a", "r", "x/2.jpg", "")])
    assert len(ManifestIndex(path, per_folder=1)) == len(ManifestIndex(path, named=False)) == 2
    with pytest.raises(VeraError, match=r"x/1\.jpg and y/1\.png would both be written as 1\.png"):
        ManifestIndex(path)


def test_equal_hashes_mix_nobody(table, monkeypatch):
    monkeypatch.setattr(manifest_index, "hash", lambda text: 1, raising=False)
    index = ManifestIndex(table([("a", "r", "1.jpg", ""), ("b", "r", "2.jpg", "")]))
    with pytest.raises(VeraError, match="changed during the call: make the call again"):
        index.people(0, 1)


def test_a_manifest_that_is_changed_meanwhile(table):
    index = ManifestIndex(table([("a", "r", "1.jpg", ""), ("b", "r", "2.jpg", "")]))
    table([("c", "rrr", "1.jpg", "")])
    with pytest.raises(VeraError, match="changed during the call"):
        index.people(1, 2)


def test_a_role_may_be_missing_and_a_view_is_read(tmp_path):
    (tmp_path / "pairs.csv").write_text("person,path,view\np,a.jpg,Profile\np,b.jpg,\n")
    (person,) = ManifestIndex(tmp_path / "pairs.csv").people(0, 1)
    assert [(file.role, file.view) for file in person.photographs] == [("", "profile"), ("", "")]
    (tmp_path / "pairs.csv").write_text("person,path,view\np,a.jpg,behind\n")
    with pytest.raises(VeraError, match="unknown view 'behind'"):
        ManifestIndex(tmp_path / "pairs.csv").people(0, 1)
