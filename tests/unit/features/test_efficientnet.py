import pytest
import timm
import torch

from vera.features import efficientnet
from vera.features.efficientnet import EfficientNetLite0, weights_path
from vera.types import VeraError

NAME = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def theirs():
    """The same weights in timm's network."""
    whole = timm.create_model(NAME, pretrained=False)
    packaged = torch.load(weights_path(), weights_only=True)
    whole.load_state_dict(dict(zip(whole.state_dict(), packaged.values(), strict=True)))
    return whole.state_dict()


@pytest.mark.parametrize("stages", [(0, 1, 2, 3, 4), (0, 2, 3), (3,)])
def test_features_are_those_of_timm(theirs, stages):
    """Rounding may differ from one version of a library to another; weights and names do not."""
    reference = timm.create_model(NAME, pretrained=False, features_only=True, out_indices=stages)
    reference.load_state_dict({name: theirs[name] for name in reference.state_dict()})
    ours = EfficientNetLite0(stages=stages)
    assert ours.network.state_dict().keys() == reference.state_dict().keys()
    for side in ((64, 64), (97, 130)):
        images = torch.rand(2, 3, *side, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            for own, wanted in zip(ours(images), reference.eval()(images), strict=True):
                torch.testing.assert_close(own, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_it_is_frozen_and_stays_in_eval_mode():
    network = EfficientNetLite0(stages=(0,), pretrained=False).train()
    assert not network.training
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(3)}, file)
    monkeypatch.setattr(efficientnet, "weights_path", lambda: file)
    with pytest.raises(VeraError, match=r"are not EfficientNet-Lite0's: reinstall"):
        EfficientNetLite0(stages=(0,))
