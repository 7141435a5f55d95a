"""The parser on the command line: chosen by --parser, made an ONNX file by `vera convert onnx`."""

import pytest

from vera import bundle
from vera.faces.segmenter import Segmenter


def test_a_parser_is_passed_on(vera, studio, photo, tmp_path):
    for given, expected in (((), None), (("--parser", "landmarks"), "landmarks")):
        code, _, stderr = vera("anonymize", photo("a.jpg"), *given, "--out", tmp_path / f"out{len(given)}")
        assert code == 0, stderr
        assert studio.arguments["parser"] == expected


def test_an_unknown_parser_is_refused(vera, photo, tmp_path, files):
    code, _, stderr = vera("anonymize", photo("a.jpg"), "--parser", "nothing", "--out", tmp_path / "out")
    assert code == 2
    assert "no parser 'nothing'" in stderr
    assert files(tmp_path / "out") == []


def test_convert_onnx(vera, tmp_path):
    pytest.importorskip("onnx")
    network = Segmenter(size=32, context=8, depth=1, channels=[8, 8, 8], pretrained=False)
    bundle.save(tmp_path / "parser", network, provenance={}, licence="CC0", card="#")
    code, stdout, stderr = vera("convert", "onnx", tmp_path / "parser", "--out", tmp_path / "parser.onnx")
    assert code == 0, stderr
    assert "written" in stdout
    assert (tmp_path / "parser.onnx").stat().st_size > 1e6
    assert vera("convert", "onnx", tmp_path / "parser", "--out", tmp_path / "parser.onnx")[0] == 2
