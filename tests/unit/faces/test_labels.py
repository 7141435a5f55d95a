from vera.data.celebamask import CelebAMaskHQ
from vera.faces import labels, onnx_parser
from vera.types import Semantic


def test_data_and_parsers_read_one_table():
    assert CelebAMaskHQ.__init__.__globals__["CELEBAMASK"] is labels.CELEBAMASK
    assert onnx_parser.numbered is labels.numbered
    assert labels.CELEBAMASK["neck_l"] == Semantic.NECK


def test_each_numbering_has_every_label_once():
    for order, named in labels.ORDERS.items():
        assert sorted(named.split()) == sorted(["background", *labels.CELEBAMASK])
        assert set(labels.numbered(order)) == set(Semantic)
