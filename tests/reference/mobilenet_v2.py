"""MobileNetV2 in plain numpy, from the paper (Sandler et al., CVPR 2018, table 2) and the raw
weights; prints the largest absolute difference between its embeddings and ours.

Arguments: shapes (JSON: name -> list), the numbers of all tensors in order of name (raw float32),
the side of the input S, raw float32 inputs (N x 3 x S x S), raw float32 embeddings (N x 1280) with their taps: the averages over
positions of the hidden activations (after the depthwise convolution) of blocks 12 and 14.
The names are those of the older public code, where a block's layers stand in one list.
"""

import json
import sys

import numpy as np

shapes, numbers, side, inputs, embeddings = sys.argv[1:]
with open(shapes) as file:
    shapes = json.load(file)
numbers = np.fromfile(numbers, "<f4").astype(np.float64)
ends = np.cumsum([int(np.prod(shapes[name])) for name in sorted(shapes)])
parts = np.split(numbers, ends[:-1])
weights = {name: part.reshape(shapes[name]) for name, part in zip(sorted(shapes), parts)}


def convolution(x, kernel, stride):
    if kernel.shape[2] == 1:
        return np.einsum("nchw,oc->nohw", x, kernel[:, :, 0, 0])
    high, wide = (-(-size // stride) for size in x.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = 0
    for top in range(3):
        for left in range(3):
            seen = x[:, :, top::stride, left::stride][:, :, :high, :wide]
            tap = kernel[:, :, top, left]
            depthwise = kernel.shape[1] == 1
            if depthwise:
                total = total + seen * tap[:, 0, None, None]
            else:
                total = total + np.einsum("nchw,oc->nohw", seen, tap)
    return total


def layer(x, place, at, stride=1, clip=True):
    x = convolution(x, weights[f"{place}.{at}.weight"], stride)
    part = lambda name: weights[f"{place}.{at + 1}.{name}"][:, None, None]
    x = (x - part("running_mean")) / np.sqrt(part("running_var") + 1e-5)
    x = x * part("weight") + part("bias")
    return np.clip(x, 0, 6) if clip else x


def embed(x):
    x = layer(x, "features.0", 0, stride=2)
    number, taps = 0, []
    # Expansion, blocks, stride of the first block.
    for expansion, blocks, stride in [
        (1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)
    ]:
        for block in range(blocks):
            number += 1
            place, step = f"features.{number}.conv", stride if block == 0 else 1
            y = x if expansion == 1 else layer(x, place, 0)
            at = 0 if expansion == 1 else 3
            y = layer(y, place, at, step)
            if number in (12, 14):
                taps.append(y.mean((2, 3)))
            y = layer(y, place, at + 3, clip=False)
            x = x + y if x.shape == y.shape else y
    return np.concatenate([layer(x, "features.18", 0).mean((2, 3)), *taps], 1)


inputs = np.fromfile(inputs, "<f4").reshape(-1, 3, int(side), int(side))
theirs = np.concatenate([embed(x[None].astype(np.float64)) for x in inputs])
ours = np.fromfile(embeddings, "<f4").reshape(theirs.shape)
print(np.abs(ours - theirs).max())
