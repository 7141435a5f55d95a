"""experiments/inversion: a run of all methods on a tiny bundle, its verdict, and what is drawn on photographs."""

import numpy as np
import pytest
import torch
from tests.reference.rounding import assert_equal_but_for_rounding

from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, Refused

EXPERIMENT = "inversion"
TINY = {
    "size": 64, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {16: 4, 32: 4, 64: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip


@pytest.fixture
def landmarks():
    points = np.full((68, 2), 64.0)
    angles = np.linspace(0, np.pi, 17)
    points[:17] = np.column_stack([64 - 40 * np.cos(angles), 60 + 50 * np.sin(angles)])
    points[36:42], points[42:48] = (46, 54), (82, 54)
    points[31], points[33], points[35] = (56, 74), (64, 76), (72, 74)
    around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points[48:60] = np.column_stack([64 - 14 * np.cos(around), 88 - 6 * np.sin(around)])
    return points


def rows(source, **changed):
    """Figures with which all claims hold, some of them changed."""
    names = ("published optimisation 400", "optimisation 200", "optimisation 400", "encoder", "encoder + 50", "encoder + 50, renderer too")
    figures = {name: {"ms_ssim": 0.6, "iou": 0.6, "seconds": 40.0, "codes": 0.2} for name in names}
    figures["encoder"] |= {"ms_ssim": 0.7, "codes": 0.1, "seconds": 0.5}
    figures["encoder + 50"] |= {"ms_ssim": 0.75, "iou": 0.75, "seconds": 4.0}
    figures["encoder + 50, renderer too"] |= {"ms_ssim": 0.8, "iou": 0.8, "seconds": 5.0}
    made = []
    for name, values in figures.items():
        for wanted in (True, False):
            one = {**values, **(changed.get(name.replace(", renderer", "").replace(" ", "_").replace("+", "and"), {}) if wanted else {})}
            one["iou"] = one["iou"] if wanted else one["iou"] - 0.1
            parsed = {"mean_iou": one.pop("iou"), "iou": {"skin": None}}
            made.append({"source": source, "method": name, "segmentation_loss": wanted, "segmentation_parsed": parsed, **one})
    return made


def test_verdict(script):
    verdict = script("inversion").verdict
    assert verdict(rows("generated")) == []
    assert verdict(rows("mosaics")) == []
    assert len(verdict(rows("generated", encoder={"codes": 0.3}))) == 1
    assert len(verdict(rows("generated", encoder={"seconds": 3.0}))) == 1
    assert len(verdict(rows("mosaics", encoder_and_50_too={"seconds": 9.0}))) == 1
    assert len(verdict(rows("mosaics", encoder_and_50={"seconds": 9.0}))) == 1
    assert len(verdict(rows("mosaics", encoder_and_50={"ms_ssim": 0.5, "iou": 0.4}))) == 2
    assert len(verdict(rows("mosaics", encoder_and_50_too={"ms_ssim": 0.7}))) == 1  # 0.8 without the segmentation loss
    assert len(verdict([row for row in rows("mosaics") if row["method"] != "optimisation 400"])) == 1  # said to be missing
    assert len(verdict(rows("mosaics", encoder_and_50_too={"iou": 0.55, "ms_ssim": 0.5}))) == 4


def test_what_claims_need_is_run_unasked(script):
    inversion = script("inversion")
    for source in ("generated", "photographs"):
        chosen = [row for row in rows(source) if inversion.wanted(source, row["method"], row["segmentation_loss"])]
        assert inversion.verdict(chosen) == []
        assert len(chosen) == (4 if source == "generated" else 7)
    assert not inversion.wanted("mosaics", "encoder + 20", False)


def test_what_the_start_is_worth(script):
    worth = script("worth")
    figures = [("optimisation 5", 0.4, 2.0), ("optimisation 10", 0.7, 4.0), ("encoder", 0.6, 0.5), ("encoder + 10", 0.8, 4.5)]
    made = [
        {
            "method": name,
            "segmentation_loss": True,
            "ms_ssim": value,
            "segmentation_parsed": {"mean_iou": value / 2},
            "seconds": seconds,
            "device": "cpu",
        }
        for name, value, seconds in figures
    ] + [{"method": "optimisation 5", "segmentation_loss": False}, {"method": "encoder + 50, renderer too", "segmentation_loss": True}]
    assert list(worth.line(made, "from the encoder")) == [0, 10]
    assert worth.sentence(made).count("in 10 steps, 8 times as long") == 2
    assert "in none of [5]" in worth.sentence([row for row in made if row["method"] != "optimisation 10"])
    assert worth.sentence(made[:2]) == ""
    panels = worth.figure(made).axes
    assert [line.get_label() for line in panels[0].lines] == ["from the mean", "from the encoder"]
    assert list(panels[1].lines[0].get_ydata()) == [0.2, 0.35]


def test_published_optimisation_nears_its_image(script):
    torch.manual_seed(0)
    plain = script("plain")
    network = Autoencoder(generator=TINY, encoder={"width": 8, "hidden": 8, "layout": 2, "pretrained": False}, bank=4)
    network.double().eval().requires_grad_(False)
    start = LatentCodes(torch.zeros(2, 28, 4), torch.zeros(2, 0)).map(torch.Tensor.double)
    images = network.generator(LatentCodes(torch.randn(2, 28, 4), torch.zeros(2, 0)).map(torch.Tensor.double)).image

    def distance(a, b):
        return (a - b).abs().mean(dim=(1, 2, 3))

    found = plain.optimise(network, images, start, perceptual=distance, steps=20)
    before, after = (distance(network.generator(codes).image, images) for codes in (start, found))
    assert (after < before).all()
    alone = plain.optimise(network, images[1:], start.map(lambda part: part[1:]), perceptual=distance, steps=20)
    assert_equal_but_for_rounding(found.local[1:], alone.local)
    assert [plain.ramp(done) for done in (0.0, 0.025, 0.5, 1.0)] == [0, 0.5, 1, 0]


def test_every_method_inverts_every_face(script):
    cases, methods = script("cases"), script("methods")
    torch.manual_seed(0)
    network = Autoencoder(generator=TINY, encoder={"width": 8, "hidden": 8, "layout": 2, "pretrained": False}, bank=4)
    network.eval().requires_grad_(False)
    network.bank.normal_()
    given = cases.generated(network, 3, seed=0)
    assert given.true.shape == (3, 28, 4)
    torch.testing.assert_close(given.segmentations.sum(dim=1), torch.ones(3, 64, 64))
    for method in methods.METHODS:
        brief = methods.replace(method, steps=min(method.steps, 2), tuned=min(method.tuned, 1))
        made = methods.invert(network, given, brief, segmentation_loss=True, batch=2, device="cpu")
        assert made.images.shape == given.images.shape
        assert made.codes.shape == given.true.shape
        assert made.seconds > 0


def test_a_photograph_is_changed_where_it_should_be(script, landmarks):
    off = script("off_distribution")
    pixels = np.full((128, 128, 3), 180, np.uint8)
    changed = {name: change(pixels, landmarks) for name, change in off.CHANGES.items()}
    assert np.array_equal(changed["as it is"], pixels)
    assert changed["dark"].mean() < 90
    assert changed["chin cut off"].shape == (96, 128, 3)
    assert changed["beard"][102, 64].mean() < 110  # the chin
    assert changed["beard"][88, 64].mean() == pytest.approx(180, abs=2)  # the mouth
    assert changed["spectacles"][54, 64].mean() < 60  # the bridge
    assert changed["spectacles"][54, 46].mean() == 180  # the eye


def test_a_refusal_is_a_row_and_a_crash_is_seen(script, monkeypatch):
    off = script("off_distribution")
    way = off.Way.__new__(off.Way)
    for error, outcome in ((Refused("no"), "refused"), (RuntimeError("oh"), "crashed")):

        def fails(photograph, error=error):
            raise error

        monkeypatch.setattr(way, "_inverted", fails, raising=False)
        row, picture = way(off.photograph_from_pixels(np.zeros((8, 8, 3), np.uint8), "dark"))
        assert row["outcome"] == outcome
        assert picture is None
    table = off.page([off.summary("dark", [{"change": "dark", **row}])])
    assert "| dark | 1 | 0 | 0 | 1 |" in table


def test_a_speck_of_a_rare_class_does_not_move_the_mean(script):
    judging = script("judging")
    confusion = torch.diag(torch.full((13,), 100))
    confusion[9, 9], confusion[9, 0] = 0, 1  # clothing: one pixel, and that is missed
    found = judging.overlap(confusion)
    assert found["iou"]["clothes"] == 0
    assert found["mean_iou"] == pytest.approx((7 + 100 / 101) / 8)
    confusion[2, 2], confusion[2, 1] = 50, 50  # half the eyes for skin
    assert judging.overlap(confusion)["mean_iou"] == pytest.approx((5 + 100 / 101 + 50 / 100 + 100 / 150) / 8)
