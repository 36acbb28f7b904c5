"""Prints the largest absolute difference between what goes into a classifier's last layer, as
onnxruntime computes it on the untouched classifier, and our embeddings.

Arguments: the classifier (ONNX, ending in a Gemm), the side of its input S, raw float32 inputs
(N x 3 x S x S), raw float32 embeddings (N x D).
"""

import sys

import numpy as np
import onnx
import onnxruntime

path, side, inputs, embeddings = sys.argv[1:]
model = onnx.load(path)
(last,) = [node for node in model.graph.node if node.op_type == "Gemm"][-1:]
tap = last.input[0]
model.graph.output.append(onnx.helper.make_tensor_value_info(tap, onnx.TensorProto.FLOAT, None))
sides = [1, 3, int(side), int(side)]
for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, sides):
    dim.dim_value = value
del model.graph.value_info[:]
session = onnxruntime.InferenceSession(model.SerializeToString())
name = session.get_inputs()[0].name
inputs = np.fromfile(inputs, "<f4").reshape(-1, *sides)
theirs = np.concatenate([session.run([tap], {name: x})[0].reshape(1, -1) for x in inputs])
ours = np.fromfile(embeddings, "<f4").reshape(theirs.shape)
print(np.abs(ours - theirs).max())
