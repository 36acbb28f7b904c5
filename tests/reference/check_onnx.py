"""Runs onnx.checker's full check on a file."""

import sys

import onnx

model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
assert [o.name for o in model.graph.output][0] == "embedding"
print("ok")
