import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vera import bundle
from vera.exemplars.bank import ROLES, ExemplarBank
from vera.inversion.bank import PEOPLE
from vera.types import LatentCodes, Semantic

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", ".pytest_cache", "outputs", "runs", "node_modules"}
PAGES = sorted(page for page in ROOT.rglob("*.md") if not NOT_OURS & set(page.relative_to(ROOT).parts))


def test_the_default_bundle_is_whole_small_and_documented():
    path = bundle.default_bundle()
    network = bundle.load(path)
    assert network.info.licence == "CC-BY-4.0"
    assert network.info.provenance["images_seen"] > 0
    assert network.info.provenance["bank"]["people_in_each"] == PEOPLE >= 3
    assert len((path / bundle.CARD).read_text()) > 500
    assert (path / bundle.CARD).read_text() == (ROOT / "experiments" / "default_clinical" / "MODEL_CARD.md").read_text()
    assert sum(p.numel() for p in network.generator.parameters()) <= 8e6


def test_the_bank_of_exemplars_is_whole_large_enough_and_documented():
    path = bundle.exemplar_bundle()
    bank = bundle.load(path)  # compares the weights with the digest
    assert isinstance(bank, ExemplarBank)
    assert bank.info.licence == "CC-BY-4.0"
    assert bank.info.digest == bundle.read(path)["digest"]
    assert (path / bundle.CARD).read_text() == (ROOT / "experiments" / "exemplars" / "CARD.md").read_text()
    assert bank.rows >= 160
    assert min(len(set(made_of.tolist())) for made_of in bank.made_of) >= 3
    for row in range(bank.rows):
        for role in range(ROLES):
            assert bank.image(row, role, reduced=8).shape == (bank.size // 8, bank.size // 8, 3)
            assert set(np.unique(bank.labels(row, role))) <= {int(known) for known in Semantic}
            assert np.isfinite(bank.mesh(row, role)).all()


def test_all_that_is_shipped_is_small():
    assets = bundle.exemplar_bundle().parent
    bank = sum(file.stat().st_size for file in bundle.exemplar_bundle().iterdir())
    everything = sum(file.stat().st_size for file in assets.rglob("*") if file.is_file())
    assert bank <= 16e6
    assert everything - bank <= 24e6
    assert everything < 40e6


def test_the_generator_with_controls_is_the_default_one():
    controlled, default = bundle.load(bundle.controlled_bundle()), bundle.load(bundle.default_bundle()).generator
    kept = controlled.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in default.state_dict().items())
    assert controlled.info.licence == "CC-BY-4.0"
    assert len((bundle.controlled_bundle() / bundle.CARD).read_text()) > 500
    local = controlled.mapping.means
    with torch.no_grad():
        plain = controlled(LatentCodes(local, controlled.no_attributes(len(local), local))).image
        assert torch.allclose(plain, default(LatentCodes(local, local.new_zeros(len(local), 0))).image, atol=1e-4)


def test_the_shipped_controls_are_edited_unless_another_bundle_is_named(vera, tmp_path):
    code, _, err = vera("edit", "light_right=-0.2:0.2", "--steps", 2, "--out", tmp_path / "edited")
    assert code == 0, err
    first, last = (cv2.imread(str(tmp_path / "edited" / f"000{n}.png"), cv2.IMREAD_GRAYSCALE).astype(float) for n in range(2))
    brighter = (last - first)[90:170]  # a band over the face
    assert brighter[:, 150:190].mean() > brighter[:, 66:106].mean() + 3
    assert "hardly" not in err
    code, _, err = vera("edit", "yaw=3", "--out", tmp_path / "turned")
    assert code == 0
    assert "'yaw' hardly obeys" in err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    # Pages of the reference are made when the manual is built, which checks links to them (tests/integration/test_docs_build.py).
    here = [target for target in targets if "://" not in target and not target.startswith("reference/")]
    missing = [target for target in here if not (page.parent / target).exists()]
    assert not missing
