"""SemanticStyleGAN as a plain, slow network, written from its description (Shi et al., CVPR 2022; issue 3).

One class after another, features projected before they are weighted, a convolution's weights made anew for every sample, FIR
filters by zero insertion. Names and shapes of the state dictionaries are those of the published checkpoints.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.reference.layers import (
    EqualConv2d,
    EqualLinear,
    Fir,
    FusedLeakyReLU,
    Output,
    PixelNorm,
    RenderConv,
    StyledLayer,
)

PUBLISHED = {
    "latent": 512, "n_mlp": 8, "seg_dim": 13, "local_layers": 10, "base_layers": 2, "depth_layers": 6, "local_channel": 64,
    "coarse_channel": 512, "coarse_size": 64, "min_feat_size": 16, "channel_multiplier": 2, "transparent_dims": (10, 12),
}  # fmt: skip
"""The published arguments; ``size`` is 512 for CelebAMask-HQ."""


def channel_widths(multiplier, widest=512):
    """Channels at each side; ``widest`` < 512 shrinks all of them alike, for tests."""
    widths = {4: 512, 8: 512, 16: 512, 32: 512}
    widths |= {side: 256 * 64 * multiplier // side for side in (64, 128, 256, 512, 1024)}
    return {side: max(1, width * widest // 512) for side, width in widths.items()}


def inject(codes, other, index):
    """Style mixing: index 0 keeps both codes of a class, 1 takes its texture from the other, 2 both; base codes stay.

    Args:
        codes: (B, 2 + 2K, D).
        other: (B, 2 + 2K, D).
        index: (B, K) in {0, 1, 2}.

    """
    mixed = codes.clone()
    for b in range(index.shape[0]):
        for k in range(index.shape[1]):
            if index[b, k] == 2:
                mixed[b, 2 + 2 * k] = other[b, 2 + 2 * k]
            if index[b, k] >= 1:
                mixed[b, 3 + 2 * k] = other[b, 3 + 2 * k]
    return mixed


class PositionEmbedding(nn.Module):
    """Coordinates in [-1, 1] and their sines and cosines, projected to C channels."""

    def __init__(self, frequencies, channels):
        super().__init__()
        self.frequencies = [2.0**n for n in range(frequencies)]
        self.weights = nn.Parameter(torch.randn(channels, 2 * (2 * frequencies + 1), 1, 1))

    def forward(self, side):
        axis = torch.linspace(-1, 1, side, dtype=self.weights.dtype, device=self.weights.device)
        coordinates = torch.stack([axis.view(1, side).expand(side, side), axis.view(side, 1).expand(side, side)])[None]
        features = [coordinates]
        for frequency in self.frequencies:
            features += [torch.sin(frequency * coordinates), torch.cos(frequency * coordinates)]
        return F.conv2d(torch.cat(features, 1), self.weights / math.sqrt(self.weights.shape[1]))


class LocalGenerator(nn.Module):
    """Features and pseudo-depth of one class."""

    def __init__(self, channels, features, latent, layers, depth_layers, has_depth, detach_texture):
        super().__init__()
        self.depth_layers, self.detach_texture = depth_layers, detach_texture
        self.linears = nn.ModuleList(StyledLayer(channels, latent) for _ in range(layers))
        self.to_feat = Output(channels, features)
        self.to_depth = Output(channels, 1) if has_depth else None

    def forward(self, x, codes):
        """(B, C, s, s) positions and a list of one (B, D) code a layer -> (B, F, s, s), (B, 1, s, s)."""
        depth = x.new_zeros(x.shape[0], 1, *x.shape[2:])
        for number, (layer, code) in enumerate(zip(self.linears, codes, strict=True), start=1):
            x = layer(x, code)
            if number == self.depth_layers and self.to_depth is not None:
                depth = self.to_depth(x)
                if self.detach_texture and number < len(self.linears):
                    x = x.detach()
        return self.to_feat(x), depth


class RenderNet(nn.Module):
    def __init__(self, size, seg_dim, coarse_size, coarse_channel, min_feat_size, widths):
        super().__init__()
        self.coarse_size, self.min_feat_size = coarse_size, min_feat_size
        self.convs, self.to_rgbs, self.to_segs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.noises = nn.Module()
        width, side = coarse_channel, min_feat_size
        while side < size:
            joined = width + (coarse_channel if side == coarse_size else 0)
            side, width = 2 * side, widths[2 * side]
            for number, conv in enumerate((RenderConv(joined, width, up=True), RenderConv(width, width, up=False)), len(self.convs)):
                self.convs.append(conv)
                self.noises.register_buffer(f"noise_{number}", torch.randn(1, 1, side, side))
            self.to_rgbs.append(Output(width, 3))
            self.to_segs.append(Output(width, seg_dim))

    def forward(self, coarse, segmentation, noise):
        if noise is None:
            noise = [getattr(self.noises, f"noise_{number}") for number in range(len(self.convs))]
        x = F.adaptive_avg_pool2d(coarse, self.min_feat_size)
        rgb = seg = None
        for i in range(len(self.to_rgbs)):
            if x.shape[-1] == self.coarse_size:
                x = torch.cat((x, coarse), 1)
            x = self.convs[2 * i](x, noise[2 * i])
            x = self.convs[2 * i + 1](x, noise[2 * i + 1])
            rgb = self.to_rgbs[i](x, rgb)
            seg = self.to_segs[i](x, seg)
            if seg.shape[-1] == self.coarse_size:
                seg = seg + segmentation
        return rgb, seg


class Generator(nn.Module):
    """Codes (B, 2 + 2K, D) to image (B, 3, S, S), segmentation (B, K, S, S) in 2p - 1 and coarse probabilities (B, K, s, s)."""

    def __init__(
        self, *, size, latent, n_mlp, seg_dim, local_layers, base_layers, depth_layers, local_channel, coarse_channel, coarse_size,
        min_feat_size, channel_multiplier, transparent_dims, detach_texture=False, widest=512,
    ):  # fmt: skip
        super().__init__()
        self.seg_dim, self.base_layers, self.depth_layers, self.local_layers = seg_dim, base_layers, depth_layers, local_layers
        self.coarse_size, self.transparent_dims = coarse_size, tuple(transparent_dims)
        self.style = nn.Sequential(PixelNorm(), *(EqualLinear(latent, latent, multiplier=0.01, activation=True) for _ in range(n_mlp)))
        self.pos_embed = PositionEmbedding(int(math.log2(size)), local_channel)
        self.local_nets = nn.ModuleList(
            LocalGenerator(local_channel, coarse_channel, latent, local_layers, depth_layers, k > 0, detach_texture) for k in range(seg_dim)
        )
        self.render_net = RenderNet(size, seg_dim, coarse_size, coarse_channel, min_feat_size, channel_widths(channel_multiplier, widest))

    def map(self, z):
        """(B, D) -> (B, 2 + 2K, D), all rows equal."""
        return self.style(z)[:, None].repeat(1, 2 + 2 * self.seg_dim, 1)

    def layer_codes(self, codes, k):
        """The code of each layer of class k: base codes (the background: its own shape code), shape code, texture code."""
        shape, texture = codes[:, 2 + 2 * k], codes[:, 3 + 2 * k]
        base = [codes[:, layer] if k > 0 else shape for layer in range(self.base_layers)]
        return base + [shape] * (self.depth_layers - self.base_layers) + [texture] * (self.local_layers - self.depth_layers)

    def local(self, codes):
        """The coarse map (B, F, s, s) and its segmentation (B, K, s, s), through (B, K, F, s, s)."""
        positions = self.pos_embed(self.coarse_size)
        features, depths = [], []
        for k, net in enumerate(self.local_nets):
            x = positions.repeat(codes.shape[0], 1, 1, 1)
            feature, depth = net(x, self.layer_codes(codes, k))
            features.append(feature)
            depths.append(depth)
        probabilities = torch.softmax(torch.cat(depths, 1), 1)
        opaque = probabilities.new_tensor([0.0 if k in self.transparent_dims else 1.0 for k in range(self.seg_dim)]).view(1, -1, 1, 1)
        hidden = probabilities * opaque
        weights = hidden / (hidden.sum(1, keepdim=True) + 1e-8) + probabilities * (1 - opaque)
        return (torch.stack(features, 1) * weights[:, :, None]).sum(1), probabilities

    def forward(self, codes, noise=None):
        """Noise: a list of one map a convolution of the render net; None = the stored ones."""
        coarse, probabilities = self.local(codes)
        image, segmentation = self.render_net(coarse, 2 * probabilities - 1, noise)
        return image, segmentation, probabilities


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Sequential(EqualConv2d(inputs, inputs, 3, padding=1), FusedLeakyReLU(inputs))
        self.conv2 = nn.Sequential(Fir(1, (2, 2), gain=1), EqualConv2d(inputs, outputs, 3, stride=2), FusedLeakyReLU(outputs))
        self.skip = nn.Sequential(Fir(1, (1, 1), gain=1), EqualConv2d(inputs, outputs, 1, stride=2))

    def forward(self, x):
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Dual branch: images (B, 3, S, S) and segmentations (B, K, S, S) in 2p - 1 to logits (B,)."""

    def __init__(self, *, size, seg_dim, channel_multiplier, widest=512, group=4):
        super().__init__()
        widths, self.group = channel_widths(channel_multiplier, widest), group
        self.convs_img, self.convs_seg = self._branch(3, size, widths), self._branch(seg_dim, size, widths)
        self.final_conv = nn.Sequential(EqualConv2d(widths[4] + 1, widths[4], 3, padding=1), FusedLeakyReLU(widths[4]))
        self.final_linear = nn.Sequential(EqualLinear(widths[4] * 16, widths[4], activation=True), EqualLinear(widths[4], 1))

    @staticmethod
    def _branch(inputs, size, widths):
        layers = [nn.Sequential(EqualConv2d(inputs, widths[size], 1), FusedLeakyReLU(widths[size]))]
        while size > 4:
            layers.append(ResBlock(widths[size], widths[size // 2]))
            size //= 2
        return nn.Sequential(*layers)

    def forward(self, images, segmentations):
        x = self.convs_img(images) + self.convs_seg(segmentations)
        batch, _, height, width = x.shape
        group = min(batch, self.group)
        members = x.view(group, batch // group, -1, height, width)
        deviation = torch.sqrt(members.var(0, unbiased=False) + 1e-8).mean([1, 2, 3])
        statistic = deviation.repeat(group).view(batch, 1, 1, 1).expand(batch, 1, height, width)
        x = self.final_conv(torch.cat([x, statistic], 1))
        return self.final_linear(x.reshape(batch, -1))[:, 0]
