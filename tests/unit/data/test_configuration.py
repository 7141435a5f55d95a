from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vera.types import VeraError

FOLDER = Path(__file__).parents[3] / "conf" / "data"


def layers(file):
    """A source's YAML, after those it builds on."""
    own = OmegaConf.load(file)
    below = [name for name in own.pop("defaults", []) if name != "_self_"]
    return [*(OmegaConf.load(FOLDER / f"{name}.yaml") for name in below), own]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_data_sources_take_what_their_configuration_gives(file, tmp_path):
    values = OmegaConf.to_container(OmegaConf.merge(*layers(file)))
    needs_root = values.get("root") == "???"
    config = OmegaConf.create({"data": values | ({"root": str(tmp_path)} if needs_root else {}), "stage": {"size": 16}, "seed": 0})
    if needs_root:  # an empty folder: the source's own message, and no complaint about its arguments
        with pytest.raises(Exception, match=str(tmp_path)) as failure:
            instantiate(config.data.dataset)
        assert isinstance(failure.value.__cause__ or failure.value, VeraError)
    else:
        assert instantiate(config.data.dataset)[0]["image"].shape == (3, 16, 16)
