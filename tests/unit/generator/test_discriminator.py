import pytest
import torch
from tests.reference.rounding import assert_equal_but_for_rounding
from tests.reference.semantic_stylegan import Discriminator as Plain
from tests.reference.semantic_stylegan import channel_widths

from vera.generator.discriminator import Discriminator, minibatch_deviation
from vera.types import VeraError

OURS = {
    "convs_img.": "image.", "convs_seg.": "segmentation.", ".0.0.weight": ".first.weight", ".0.1.bias": ".first.bias",
    "conv1.0.": "conv1.", "conv1.1.": "conv1.", "conv2.1.": "conv2.", "conv2.2.": "conv2.", "skip.1.": "skip.",
    "final_conv.0.": "final_conv.", "final_conv.1.": "final_conv.", "final_linear.0.": "hidden.", "final_linear.1.": "logit.",
}  # fmt: skip


def our_name(published):
    for theirs, ours in OURS.items():
        published = published.replace(theirs, ours)
    parts = published.split(".")
    return ".".join([parts[0], "blocks", str(int(parts[1]) - 1), *parts[2:]]) if parts[1].isdigit() else published


def twins(size, widest, **changes):
    """The plain network and ours, with equal weights (biases too are random, so that a wrong gain shows)."""
    torch.manual_seed(0)
    plain = Plain(size=size, seg_dim=5, channel_multiplier=2, widest=widest)
    for name, parameter in plain.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    widths = {side: width for side, width in channel_widths(2, widest).items() if side <= size}
    ours = Discriminator(**{"size": size, "classes": 5, "channels": widths, "group": 4} | changes)
    ours.load_state_dict({our_name(name): value for name, value in plain.state_dict().items() if not name.endswith("kernel")})
    return plain, ours


def pair(batch, size, dtype=torch.float32):
    return tuple(torch.randn(batch, channels, size, size, dtype=dtype, requires_grad=True) for channels in (3, 5))


@pytest.mark.parametrize(("size", "widest"), [(8, 16), (64, 16), (128, 8)])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_agrees_with_the_plain_network_in_output_gradient_and_gradient_penalty(size, widest, checkpointing):
    plain, ours = (network.double() for network in twins(size, widest, checkpointing=checkpointing))
    inputs = pair(4, size, torch.float64)

    def penalty(network):
        logits = network(*inputs)
        gradients = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
        loss = logits.square().sum() + sum(g.square().sum() for g in gradients)
        parameters = dict(network.named_parameters())
        return logits, gradients, dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))

    theirs, got = penalty(plain), penalty(ours)
    assert_equal_but_for_rounding(got[0], theirs[0], "logits")
    assert_equal_but_for_rounding(got[1], theirs[1], "gradients of the inputs")
    for name, gradient in theirs[2].items():
        assert_equal_but_for_rounding(got[2][our_name(name)], gradient, name)


def test_minibatch_deviation_against_a_plain_loop():
    x = torch.randn(8, 3, 4, 4)
    got = minibatch_deviation(x, 4)
    for first in range(2):  # groups {0, 2, 4, 6} and {1, 3, 5, 7}
        members = [first, first + 2, first + 4, first + 6]
        total = 0.0
        for c in range(3):
            for i in range(4):
                for j in range(4):
                    values = [x[m, c, i, j].item() for m in members]
                    mean = sum(values) / 4
                    total += (sum((v - mean) ** 2 for v in values) / 4 + 1e-8) ** 0.5
        for m in members:
            torch.testing.assert_close(got[m], torch.full((1, 4, 4), total / 48))


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8])
def test_small_batches_are_one_group(batch):
    assert minibatch_deviation(torch.randn(batch, 3, 4, 4), 4).shape == (batch, 1, 4, 4)


def test_a_batch_that_cannot_be_dealt_into_groups_is_refused():
    with pytest.raises(VeraError, match="multiple"):
        minibatch_deviation(torch.randn(6, 3, 4, 4), 4)


def test_samples_of_other_groups_do_not_matter():
    _, ours = twins(8, 16)
    image, segmentation = (t.detach() for t in pair(8, 8))
    logits = ours(image, segmentation)
    changed = image.clone()
    changed[1::2] = 0
    torch.testing.assert_close(ours(changed, segmentation)[::2], logits[::2])
    assert (ours(changed, segmentation)[1::2] != logits[1::2]).all()


@pytest.mark.parametrize("blind", [0, 1])
def test_either_branch_alone_moves_the_logit(blind):
    _, ours = twins(8, 16)
    inputs = [t.detach() for t in pair(1, 8)]
    logits = ours(*inputs)
    inputs[blind] = -inputs[blind]
    assert ours(*inputs) != logits


def test_is_rebuilt_from_its_configuration_with_names_as_strings():
    _, ours = twins(8, 16)
    config = {**ours.config, "channels": {str(side): width for side, width in ours.config["channels"].items()}}
    Discriminator(**config).load_state_dict(ours.state_dict())


@pytest.mark.parametrize(("size", "channels"), [(12, {4: 4, 8: 4, 12: 4}), (16, {4: 4, 16: 4}), (2, {2: 4})])
def test_sizes_without_channels_are_refused(size, channels):
    with pytest.raises(VeraError, match="channels"):
        Discriminator(size=size, classes=5, channels=channels, group=4)


def test_another_size_is_refused():
    _, ours = twins(8, 16)
    with pytest.raises(VeraError, match="8, 8"):
        ours(torch.randn(1, 3, 16, 16), torch.randn(1, 5, 16, 16))
