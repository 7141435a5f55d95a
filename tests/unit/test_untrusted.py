import io
import json
import os
import threading
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from vera.types import VeraError
from vera.untrusted import (
    field,
    number,
    parse_json,
    read_arrays,
    read_bytes,
    read_json,
    read_json_lines,
    read_table,
    read_tensors,
    read_text,
    require_finite,
    require_plain,
    shown,
)


def attempt(call):
    """What a reader returns, and its sentence."""
    try:
        return call(), ""
    except VeraError as error:
        return None, str(error)


QUICK = settings(max_examples=60, deadline=None, database=None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b'{"a": 1} x', "damaged"),
        (b"[" * 200_000 + b"]" * 200_000, "nested"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deeper than 32"),
        (b"NaN", "not finite"),
        (b"[-Infinity]", "not finite"),
        (b'{"a": 1e999}', "not finite"),
        (b"1" * 5000, "damaged"),
        (rb'"\ud800"', "damaged"),
    ],
)
def test_what_is_no_record_is_told(content, says):
    with pytest.raises(VeraError, match=f"the record .*{says}|the record is {says}"):
        parse_json(content, what="the record")


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_are_a_plain_value_or_one_sentence(content):
    value, said = attempt(lambda: parse_json(content, what="the record"))
    assert len(said.splitlines()) <= 1
    json.dumps(value, allow_nan=False).encode()


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3),
        max_leaves=6,
    )
)
def test_what_json_can_say_is_read_as_it_is(value):
    read, said = attempt(lambda: parse_json(json.dumps(value).encode(), what="x"))
    assert read == value or any(word in repr(value) for word in ("nan", "inf", "\\ud"))
    assert bool(said) == (read != value)


def test_size_is_looked_at_before_content(tmp_path):
    (tmp_path / "large").write_bytes(b" " * 1001)
    with pytest.raises(VeraError, match="larger than 1,000 bytes"):
        read_bytes(tmp_path / "large", limit=1000, what="x")
    with pytest.raises(VeraError, match="larger than 1,000 bytes"):
        read_json(tmp_path / "large", limit=1000, what="x")
    with pytest.raises(VeraError, match="larger than 1,000 bytes"):
        read_tensors(tmp_path / "large", limit=1000, what="x")


@pytest.mark.parametrize("reader", [read_tensors, read_json, read_text, read_table, read_json_lines, read_arrays])
def test_what_is_no_file_is_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "absent", "a" * 300, "nul\0"):
        done = []

        def read(name=name, done=done):
            with pytest.raises(VeraError):
                reader(tmp_path / name, what="x")
            done.append(name)

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        reading.join(timeout=20)
        assert done == [name]


@pytest.mark.parametrize("value", [{1: 2}, {"a": (1,)}, [object()], {"a": b"x"}, [float("nan")]])
def test_what_json_has_no_word_for_is_not_plain(value):
    with pytest.raises(VeraError):
        require_plain(value, what="x")


@pytest.mark.parametrize(
    ("record", "kind"), [({}, int), ([], int), (None, int), ({"a": "1"}, int), ({"a": True}, int), ({"a": 1}, str), ({"a": []}, dict)]
)
def test_fields_have_their_types(record, kind):
    with pytest.raises(VeraError, match="'a'"):
        field(record, "a", kind, what="x")
    assert field({"a": 3}, "a", int, what="x") == 3


@pytest.mark.parametrize("text", [None, "", "x", "1.5", "-1", "11", "nan", "9" * 5000])
def test_numbers_in_texts_have_their_ranges(text):
    with pytest.raises(VeraError, match="count"):
        number({} if text is None else {"count": text}, "count", int, 0, 10, what="x")
    with pytest.raises(VeraError, match="scale"):
        number({"scale": "nan"}, "scale", float, 0, 1, what="x")
    assert number({"count": "7"}, "count", int, 0, 10, what="x") == 7


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_number_that_is_not_finite_is_found(wrong, kind):
    tensor = torch.full((40, 50), torch.finfo(kind).max if kind != torch.float64 else 1.0, dtype=kind)
    require_finite({"a": tensor}, what="x")
    tensor[17, 33] = wrong
    with pytest.raises(VeraError, match="'a' holds numbers that are not finite"):
        require_finite({"a": tensor}, what="x")


def test_types_that_are_not_written_are_not_read():
    for tensor in (torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to(torch.float8_e4m3fn)):
        with pytest.raises(VeraError, match="does not write"):
            require_finite({"a": tensor}, what="x")


def test_tensors_are_those_that_are_expected(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "t", {"m": "text"})
    read = read_tensors(tmp_path / "t", what="x", names=["a"])
    assert read.metadata == {"m": "text"}
    assert torch.equal(read.tensors["a"], torch.zeros(2))
    with pytest.raises(VeraError, match="x holds a, not a, b"):
        read_tensors(tmp_path / "t", what="x", names=["a", "b"])


def test_a_foreign_text_is_shown_on_one_short_line():
    assert shown("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shown("x" * 500)) == 80


@QUICK
@given(data=st.data())
def test_damaged_tensor_files_are_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    save_file({"a": torch.arange(6.0), "b": torch.zeros(2, 2)}, path, {"m": "text"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]) + data.draw(st.binary(max_size=8)))
    read, said = attempt(lambda: read_tensors(path, what="x"))
    assert len(said.splitlines()) <= 1
    require_finite(read.tensors if read else {}, what="x")


def test_a_link_is_read_through_only_where_it_may_be(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("file")
    assert read_json(tmp_path / "link", what="x") == 1
    with pytest.raises(VeraError, match="x cannot be read"):
        read_json(tmp_path / "link", what="x", follow=False)


def test_lines_are_read_to_the_last_whole_one(tmp_path):
    (tmp_path / "lines").write_bytes(b'{"a": 1}\n\n{"a": 2}\n{"a"')
    assert read_json_lines(tmp_path / "lines", what="x", whole=True) == [{"a": 1}, {"a": 2}]
    with pytest.raises(VeraError, match=r"x, line 4 is damaged.*make it again"):
        read_json_lines(tmp_path / "lines", what="x", mend="make it again")
    (tmp_path / "lines").write_bytes(b"[1]\n")
    with pytest.raises(VeraError, match="x, line 1 is damaged: it is no mapping"):
        read_json_lines(tmp_path / "lines", what="x")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1\n", "line 2: has not as many cells"),
        (b"a,b\n1,2,3\n", "line 2: has not as many cells"),
        (b"a,a \n1,2\n", "two columns of the same name"),
        (b'a\n"1', "can't be read as CSV"),
        (b"a\n" + b"x" * 200_000, "can't be read as CSV"),
        (b"a\n\xff\n", "no text in UTF-8"),
        ("a\n1\n".encode("utf-16"), "no text in UTF-8"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, content, says):
    (tmp_path / "table").write_bytes(content)
    with pytest.raises(VeraError, match=says):
        read_table(tmp_path / "table", what="x")


def test_a_table_is_read_as_it_stands(tmp_path):
    (tmp_path / "table").write_bytes(b'\xef\xbb\xbfa, b\r\n\r\n"1\n2", 3\r\n')
    assert read_table(tmp_path / "table", what="x") == (("a", " b"), [(4, {"a": "1\n2", " b": " 3"})])
    (tmp_path / "table").write_bytes(b"")
    assert read_table(tmp_path / "table", what="x") == ((), [])


def test_arrays_are_read_as_they_were_written(tmp_path):
    given = {
        "numbers": np.arange(6.0).reshape(2, 3),
        "columns first": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "one/0": np.array(True),
        "none": np.empty((0, 4)),
        "gaps": np.array([1.0, np.nan]),
        "text": np.array(["a", "bc"]),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **given)
        read = read_arrays(tmp_path / "a.npz", what="x")
        assert read.keys() == given.keys()
        for name, array in given.items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)
            assert read[name].flags.writeable


def npz(header, data=b""):
    """A file of arrays whose one header says something."""
    part, content = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(part, header)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", part.getvalue() + data)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        npz({"shape": (10**15,), "fortran_order": False, "descr": "<f8"}),
        npz({"shape": (3,), "fortran_order": False, "descr": "<f8"}, b"x" * 23),
        npz({"shape": (3,), "fortran_order": False, "descr": "<f8"}, b"x" * 25),
        npz({"shape": (-1,), "fortran_order": False, "descr": "<f8"}, b"x" * 8),
        npz({"shape": (1,), "fortran_order": False, "descr": "|O"}, b"cos\nsystem\n(S'false'\ntR."),
        npz({"shape": (2,), "fortran_order": False, "descr": [("a", "<f8")]}, b"x" * 16),
    ],
    ids=["empty", "a beginning", "more than memory", "too few bytes", "too many bytes", "less than nothing", "objects", "records"],
)
def test_arrays_that_were_not_written_by_vera(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(VeraError, match="x is damaged, or no file of arrays"):
        read_arrays(tmp_path / "a.npz", what="x")


def test_arrays_that_unpack_to_too_much(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(100_000))
    assert (tmp_path / "a.npz").stat().st_size < 5000
    with pytest.raises(VeraError, match="unpacks to more than 5,000 bytes"):
        read_arrays(tmp_path / "a.npz", what="x", limit=5000)


@QUICK
@given(data=st.data())
def test_damaged_arrays_are_one_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    np.savez(path, a=np.arange(6.0), b=np.zeros((2, 2)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    _, said = attempt(lambda: read_arrays(path, what="x"))
    assert len(said.splitlines()) <= 1


@QUICK
@given(st.binary(max_size=200) | st.text(alphabet='ab,"\n\r \0', max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(content)
    table, said = attempt(lambda: read_table(path, what="x"))
    assert len(said.splitlines()) <= 1
    assert not table or all(tuple(row) == table.header for _, row in table.rows)
