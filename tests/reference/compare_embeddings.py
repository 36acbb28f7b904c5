"""Prints the largest absolute difference between onnxruntime's embeddings and ours.

Arguments: the ONNX file, raw float32 inputs (N x 3 x S x S), raw float32 embeddings (N x D).
"""

import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
(entry,) = session.get_inputs()
inputs = np.fromfile(sys.argv[2], "<f4").reshape(-1, *entry.shape[1:])
theirs = np.concatenate([session.run(["embedding"], {entry.name: x[None]})[0] for x in inputs])
ours = np.fromfile(sys.argv[3], "<f4").reshape(theirs.shape)
print(np.abs(ours - theirs).max())
