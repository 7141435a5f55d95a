from itertools import islice

import pytest
import torch

from vera.data.generated import GeneratedPairs
from vera.generator.network import Generator
from vera.generator.sampling import code_sampler
from vera.types import Semantic, VeraError


def network(attributes=(), mapping_layers=2):
    torch.manual_seed(0)
    generator = Generator(
        size=16, coarse_size=8, start_size=4, classes=13, transparent=[10, 12], latent=8, local_channels=8, coarse_channels=8,
        layers=[2, 2, 2], channels={8: 8, 16: 8}, attributes=dict(attributes), mapping_layers=mapping_layers,
    )  # fmt: skip
    for parameter in generator.parameters():  # nothing is zero, so that every code has an effect
        torch.nn.init.normal_(parameter, std=0.5)
    return generator.eval().requires_grad_(False)


def pairs(generator, seed=0, truncation=1.0):
    return GeneratedPairs(generator, code_sampler(generator, seed=seed, truncation=truncation))


def test_without_attributes_the_base_codes_differ_and_nothing_else():
    pair = pairs(network())[3]
    first, second = pair.codes.local
    assert (first[:2] != second[:2]).all()
    assert torch.equal(first[2:], second[2:])
    assert pair.images.shape == (2, 3, 16, 16)
    assert (pair.labels.shape, pair.labels.dtype, pair.labels.max() <= max(Semantic)) == ((2, 16, 16), torch.uint8, True)
    assert not torch.equal(pair.images[0], pair.images[1])


def test_with_attributes_all_local_codes_are_shared():
    pair = pairs(network({"pose": 4, "age": 3}))[3]
    assert torch.equal(pair.codes.local[0], pair.codes.local[1])
    for part in (slice(0, 3), slice(3, 7)):  # age, pose
        assert not torch.equal(pair.codes.attributes[0, part], pair.codes.attributes[1, part])
    assert not torch.equal(pair.images[0], pair.images[1])


def test_faces_are_what_the_generator_makes_of_the_codes():
    generator = network()
    pair = pairs(generator)[1]
    synthesis = generator(pair.codes)
    assert torch.allclose(pair.images, synthesis.image, atol=1e-5)
    assert torch.equal(pair.labels, synthesis.segmentation.argmax(dim=1).to(torch.uint8))


def test_a_pair_depends_on_seed_and_number_alone():
    generator = network()
    straight = [pair.images for pair in islice(pairs(generator), 4)]
    jumping = pairs(generator)
    assert all(torch.equal(jumping[n].images, straight[n]) for n in (3, 0, 2))
    assert not torch.equal(straight[0][0], straight[1][0])  # another identity
    assert not torch.equal(pairs(generator, seed=1)[0].images, straight[0])


def test_truncation_to_zero_is_the_mean_face():
    generator = network()
    codes = pairs(generator, truncation=0.0)[5].codes
    assert torch.allclose(codes.local, generator.mean_code().expand_as(codes.local))


def test_any_other_draw_will_do():
    generator = network(mapping_layers=0)
    with pytest.raises(VeraError, match="no mapping"):
        code_sampler(generator, seed=0, truncation=1.0)
    bank = torch.randn(7, generator.rows, generator.latent)

    def draw(number):
        local = bank[number % len(bank)][None]
        return type(codes)(local, generator.no_attributes(1, local))

    codes = pairs(network())[0].codes
    assert torch.equal(GeneratedPairs(generator, draw)[1].codes.local[0], bank[2])


def test_written_pairs_are_people_for_an_evaluation(tmp_path):
    source = pairs(network())
    people = source.write(tmp_path / "faces", 3)
    assert [person.id for person in people] == ["000000", "000001", "000002"]
    assert [file.role for file in people[1].photographs] == ["first", "second"]
    expected = ((source[1].images[1].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
    assert torch.equal(torch.from_numpy(people[1].photographs[1].read().pixels.astype("float32")), expected)
    before = people[1].photographs[0].path.read_bytes()
    assert source.write(tmp_path / "faces", 3) == people
    assert people[1].photographs[0].path.read_bytes() == before
    (tmp_path / "file").touch()
    with pytest.raises(VeraError, match="can't be written"):
        source.write(tmp_path / "file", 1)
