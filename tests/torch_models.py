"""Small models as people write them in torch, to be exported and read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch_modules import (
    BasicBlock,
    Dense,
    Fire,
    Inverted,
    Model,
    Normalised,
    after,
    conv,
    head,
    norm,
    of,
    seq,
    shuffled,
    swapped,
)

MODELS: dict[str, Model] = {
    "mlp": Model(seq(nn.Flatten(), nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 3))),
    "mlp of a flat image": Model(seq(nn.Linear(128, 9), nn.ReLU(), nn.Linear(9, 3)), flat=True),
    "mlp with batch norm": Model(
        seq(nn.Flatten(), nn.Linear(128, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3))
    ),
    "mlp without biases": Model(
        seq(nn.Flatten(), nn.Linear(128, 9, bias=False), nn.ReLU(), nn.Linear(9, 3, bias=False))
    ),
    "lenet": Model(
        seq(
            *(conv(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), conv(4, 6, 5), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 20), nn.ReLU(), nn.Linear(20, 5)),
        ),
        (1, 20, 20),
    ),
    "alexnet": Model(
        seq(
            *(conv(3, 8, 5, stride=2, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(conv(8, 8, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((2, 2))),
            *(nn.Flatten(1), nn.Dropout(), nn.Linear(32, 10), nn.ReLU(), nn.Linear(10, 4)),
        ),
        (3, 28, 28),
    ),
    "vgg": Model(
        seq(
            *(conv(3, 4, padding=1), norm(4), nn.ReLU(inplace=True), conv(4, 4, padding=1)),
            *(norm(4), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2), conv(4, 8, padding=1)),
            *(nn.ReLU(inplace=True), nn.MaxPool2d(2, 2), nn.AdaptiveAvgPool2d((2, 2))),
            head(32),
        ),
        (3, 16, 16),
    ),
    "resnet": Model(
        seq(
            *(conv(3, 4, 7, stride=2, padding=3, bias=False), norm(4), nn.ReLU(inplace=True)),
            *(nn.MaxPool2d(3, 2, 1), BasicBlock(4, 4), BasicBlock(4, 8, 2)),
            *(nn.AdaptiveAvgPool2d((1, 1)), head(8)),
        ),
        (3, 24, 24),
    ),
    "squeezenet": Model(
        seq(
            *(conv(3, 4, 3, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(Fire(4, 2, 3), Fire(6, 2, 3), nn.Dropout(), conv(6, 4, 1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()),
        ),
        (3, 18, 18),
    ),
    "densenet": Model(seq(Dense(), norm(11), nn.ReLU(), nn.AvgPool2d(2), head(176))),
    "mobilenet": Model(
        of(
            lambda x, stem, block, last: last(block(stem(x)).mean([2, 3])),
            stem=conv(2, 4, padding=1),
            block=Inverted(),
            last=nn.Linear(4, 3),
        )
    ),
    "shufflenet": Model(
        of(
            lambda x, first, depth, last: last(shuffled(depth(shuffled(first(x))))),
            first=conv(2, 8, 1),
            depth=conv(8, 8, 3, stride=2, padding=1, groups=8),
            last=head(128),
        )
    ),
    "split branches": Model(
        of(
            lambda x, one, last: last(
                torch.cat([x.chunk(2, 1)[0], F.relu(one(x.chunk(2, 1)[1]))], 1)
            ),
            one=conv(1, 3, padding=1),
            last=head(256),
        )
    ),
    "inception": Model(
        of(
            lambda x, a, b, last: last(
                torch.cat([a(x), b(x), F.max_pool2d(x, 3, 1, 1), F.avg_pool2d(x, 3, 1, 1)], 1)
            ),
            a=conv(2, 2, 1),
            b=conv(2, 3, 5, padding=2),
            last=head(576),
        )
    ),
    "view": Model(
        of(
            lambda x, a, b: b(F.relu(a(x)).view(x.size(0), -1)),
            a=conv(2, 3),
            b=nn.Linear(108, 3),
        )
    ),
    "reshape": Model(
        of(
            lambda x, a, b: b(torch.reshape(F.relu(a(x)), (-1, 108))),
            a=conv(2, 3),
            b=nn.Linear(108, 3),
        )
    ),
    "flatten from 1": Model(
        of(
            lambda x, a, b: b(torch.flatten(F.relu(a(x)), 1)),
            a=conv(2, 3),
            b=nn.Linear(108, 3),
        )
    ),
    "squeezed": Model(
        of(
            lambda x, a, b: b(a(x).amax((2, 3), keepdim=True).squeeze(3).squeeze(2)),
            a=conv(2, 5),
            b=nn.Linear(5, 3),
        )
    ),
    "unflattened": Model(
        seq(nn.Flatten(), nn.Linear(128, 36), nn.Unflatten(1, (4, 3, 3)), nn.ReLU(), head(36))
    ),
    "convolutional scores": Model(
        seq(conv(2, 4), nn.ReLU(), conv(4, 3, 6), nn.Flatten()),
    ),
    "convolutional scores, not flattened": Model(seq(conv(2, 4), nn.ReLU(), conv(4, 3, 6))),
    "normalised": Model(lambda: Normalised(nn.Sequential(conv(2, 4), nn.ReLU(), head(144)))),
    "scaled to plus and minus 1": Model(
        of(lambda x, a, b: b(F.relu(a(2 * x - 1))), a=conv(2, 3), b=head(108))
    ),
    "divided by 255": Model(
        of(lambda x, a, b: b(F.relu(a(x * 255 / 127.5 - 1))), a=conv(2, 3), b=head(108))
    ),
    "leaky": Model(after(nn.LeakyReLU(0.1), n=256)),
    "leaky, steeper below": Model(after(nn.LeakyReLU(1.5), n=256)),
    "prelu": Model(after(nn.PReLU(), n=256)),
    "prelu per channel": Model(after(nn.PReLU(4), n=256)),
    "relu6": Model(after(nn.ReLU6(), n=256)),
    "hardtanh": Model(after(nn.Hardtanh(-0.3, 0.4), n=256)),
    "hardsigmoid": Model(after(nn.Hardsigmoid(), n=256)),
    "clamped": Model(
        of(lambda x, a, b: b(a(x).clamp(min=-0.1, max=0.2)), a=conv(2, 3), b=head(108))
    ),
    "clamped from below": Model(
        of(lambda x, a, b: b(a(x).clamp(min=0.05)), a=conv(2, 3), b=head(108))
    ),
    "absolute": Model(of(lambda x, a, b: b(torch.abs(a(x))), a=conv(2, 3), b=head(108))),
    "maximum of two": Model(
        of(
            lambda x, a, c, b: b(torch.maximum(a(x), c(x))),
            a=conv(2, 3),
            c=conv(2, 3),
            b=head(108),
        )
    ),
    "minimum of two": Model(
        of(
            lambda x, a, c, b: b(torch.minimum(a(x), c(x))),
            a=conv(2, 3),
            c=conv(2, 3),
            b=head(108),
        )
    ),
    "maxout": Model(
        of(
            lambda x, a, b: b(a(x.flatten(1)).view(-1, 6, 2).amax(2)),
            a=nn.Linear(128, 12),
            b=nn.Linear(6, 3),
        )
    ),
    "max pool, padded": Model(after(nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), n=64)),
    "max pool, dilated": Model(after(nn.MaxPool2d(2, 1, dilation=3), n=100)),
    "max pool, ceiling": Model(after(nn.MaxPool2d(3, 2, ceil_mode=True), n=64)),
    "average pool, padded": Model(after(nn.AvgPool2d(3, 2, padding=1), n=64)),
    "average pool, pads not counted": Model(
        after(nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), n=64)
    ),
    "average pool, ceiling": Model(after(nn.AvgPool2d(3, 2, ceil_mode=True), n=64)),
    "adaptive max pool": Model(after(nn.AdaptiveMaxPool2d((1, 1)), n=4)),
    "sum": Model(of(lambda x, a, b: b(a(x).sum((2, 3))), a=conv(2, 5), b=nn.Linear(5, 3))),
    "mean of channels": Model(
        of(lambda x, a, b: b(F.relu(a(x)).mean(1)), a=conv(2, 5), b=head(36))
    ),
    "zero pad": Model(seq(nn.ZeroPad2d((1, 2, 0, 1)), conv(2, 3), nn.ReLU(), head(189))),
    "constant pad": Model(seq(nn.ConstantPad2d(1, 0.5), conv(2, 3), nn.ReLU(), head(192))),
    "reflection pad": Model(seq(nn.ReflectionPad2d(1), conv(2, 3), nn.ReLU(), head(192))),
    "replication pad": Model(seq(nn.ReplicationPad2d(2), conv(2, 3), nn.ReLU(), head(300))),
    "same padding": Model(seq(conv(2, 3, 4, padding="same"), nn.ReLU(), head(192))),
    "dilated": Model(seq(conv(2, 3, dilation=2, padding=1), nn.ReLU(), head(108))),
    "grouped": Model(seq(conv(2, 4, groups=2, bias=False), nn.ReLU(), head(144))),
    "pixel unshuffle": Model(seq(nn.PixelUnshuffle(2), conv(8, 3), nn.ReLU(), head(12))),
    "pixel shuffle": Model(seq(conv(2, 8, padding=1), nn.PixelShuffle(2), nn.ReLU(), head(512))),
    "nearest upsampling": Model(
        seq(conv(2, 3), nn.ReLU(), nn.Upsample(scale_factor=2, mode="nearest"), head(432))
    ),
    "cropped": Model(
        of(lambda x, a, b: b(F.relu(a(x[:, :, 1:-1, ::2]))), a=conv(2, 3), b=head(24))
    ),
    "flipped": Model(of(lambda x, a, b: b(F.relu(a(x.flip(3)))), a=conv(2, 3), b=head(108))),
    "channels last inside": Model(
        of(
            lambda x, a, b, c: c(F.relu(swapped(b(swapped(x))).permute(0, 1, 3, 2))),
            a=nn.Identity(),
            b=nn.Linear(2, 5),
            c=head(320),
        )
    ),
    "mlp mixer": Model(
        of(
            lambda x, a, b, c: c(b(F.relu(a(x.flatten(2))).transpose(1, 2)).mean(1)),
            a=nn.Linear(64, 6),
            b=nn.Linear(2, 5),
            c=nn.Linear(5, 3),
        )
    ),
    "two heads": Model(
        of(
            lambda x, a, b, c: torch.cat([b(F.relu(a(x))), c(F.relu(a(x)))], 1),
            a=conv(2, 3),
            b=head(108, 2),
            c=head(108, 4),
        )
    ),
    "difference": Model(
        of(lambda x, a, b, c: c(a(x) - F.relu(b(x))), a=conv(2, 3), b=conv(2, 3), c=head(108))
    ),
    "sigmoid at the end": Model(seq(conv(2, 3), nn.ReLU(), head(108), nn.Sigmoid())),
    "softmax at the end": Model(seq(conv(2, 3), nn.ReLU(), head(108), nn.Softmax(1))),
    "log softmax at the end": Model(seq(conv(2, 3), nn.ReLU(), head(108), nn.LogSoftmax(-1))),
    "sigmoid, then flattened": Model(
        seq(conv(2, 3), nn.ReLU(), conv(3, 3, 6), nn.Sigmoid(), nn.Flatten())
    ),
}
