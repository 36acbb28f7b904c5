"""Prints the largest absolute difference between onnxruntime's embeddings (taps included) and ours.

Arguments: the ONNX file, raw float32 inputs (N x 3 x S x S), raw float32 embeddings (N x D).
"""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
(entry,) = session.get_inputs()
inputs = np.fromfile(sys.argv[2], "<f4").reshape(-1, *entry.shape[1:])
names = {output.name for output in session.get_outputs()}
wanted = [name for name in ("embedding", "taps") if name in names]
theirs = np.concatenate(
    [np.concatenate(session.run(wanted, {entry.name: x[None]}), 1) for x in inputs]
)
ours = np.fromfile(sys.argv[3], "<f4").reshape(theirs.shape)
print(np.abs(ours - theirs).max())
