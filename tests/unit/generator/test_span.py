import pytest
import torch

from vera.generator.network import Generator
from vera.types import LatentCodes, Semantic

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4}, "mapping_layers": 1,
}  # fmt: skip
WIDTHS = {"illumination": 3, "pose": 5}


@pytest.fixture
def spanned():
    torch.manual_seed(0)
    made = Generator(**TINY, attributes=WIDTHS, span=4).eval()
    drawn = {name: torch.randn(500, width) for name, width in WIDTHS.items()}
    made.span.fill(torch.randn(4, 28, 6), made.map(torch.randn(500, 6), drawn).attributes, WIDTHS)
    return made


def codes_of(network, count=2):
    return network.map(torch.randn(count, 6), {name: torch.randn(count, width) for name, width in WIDTHS.items()})


def test_without_attributes_it_is_the_generator_that_it_was(spanned):
    plain = Generator(**TINY, attributes={}).eval()
    state = {name: value for name, value in spanned.state_dict().items() if not name.startswith(("span.", "attribute_mappings."))}
    plain.load_state_dict(state, strict=True)
    local = codes_of(spanned).local
    there = spanned(LatentCodes(local, spanned.no_attributes(2, local))).image
    assert torch.allclose(there, plain(LatentCodes(local, local.new_zeros(2, 0))).image, atol=1e-5)
    assert not torch.allclose(there, spanned(codes_of(spanned)).image, atol=1e-3)


def test_it_is_a_conditioning_of_low_rank(spanned):
    """A_g = A_s P: the same generator with its A_g written out makes the same faces."""
    free = Generator(**TINY, attributes=WIDTHS).eval()
    state = {name: value for name, value in spanned.state_dict().items() if not name.startswith("span.")}
    moves = torch.einsum("an,nrd->ard", spanned.span.mixing, spanned.span.directions)
    layers = spanned.expand(LatentCodes(moves, spanned.no_attributes(len(moves), moves)))  # (A, K, L, D)
    written = spanned.local.style_scale * torch.einsum("lkcd,akld->lkca", spanned.local.style_local, layers)
    free.load_state_dict({**state, "local.style_attributes": written.detach()}, strict=True)
    codes = codes_of(spanned)
    centred = LatentCodes(codes.local, codes.attributes - spanned.span.centre)
    assert torch.allclose(spanned(codes).image, free(centred).image, atol=1e-4)


def test_the_background_follows_the_light_alone(spanned):
    codes = codes_of(spanned)
    ground = LatentCodes.rows([Semantic.BACKGROUND])
    lit, turned = codes.attributes.clone(), codes.attributes.clone()
    lit[:, :3] += 1
    turned[:, 3:] += 1
    before = spanned.span(codes.attributes)
    assert torch.equal(spanned.span(turned)[:, ground], before[:, ground])
    assert not torch.allclose(spanned.span(lit)[:, ground], before[:, ground])
    assert not torch.allclose(spanned.span(turned), before)


def test_it_starts_with_every_attribute_moving_and_can_be_rebuilt(spanned):
    again = Generator(**spanned.config)
    again.load_state_dict(spanned.state_dict(), strict=True)
    for part in torch.split(spanned.span.mixing, list(WIDTHS.values())):
        assert float(part.detach().norm()) > 0.1
    spanned(codes_of(spanned)).image.square().mean().backward()
    assert float(spanned.span.mixing.grad.norm()) > 0
