import json
import os
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from vera.types import VeraError
from vera.untrusted import field, number, parse_json, read_bytes, read_json, read_tensors, require_finite, require_plain, shown


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


@pytest.mark.parametrize("reader", [read_tensors, read_json])
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
