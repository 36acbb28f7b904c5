"""Writes weights the way torch.save does since 1.6, without torch.

Arguments: shapes (JSON: name -> list), the numbers of all tensors in order of name (raw float32),
the .pth file to write. Stand-ins for torch's classes make Python's own pickler write torch's names.
"""

import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides, step = [], 1
        for side in reversed(self.shape):
            strides.insert(0, step)
            step *= side
        arguments = (self.storage, 0, tuple(self.shape), tuple(strides), False, OrderedDict())
        return (_rebuild_tensor_v2, arguments)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", torch.FloatStorage, value.key, "cpu", value.count)
        return None


def main(shapes_path, numbers_path, output):
    with open(shapes_path) as file:
        shapes = json.load(file)
    with open(numbers_path, "rb") as file:
        numbers = file.read()
    weights, parts, at = OrderedDict(), [], 0
    for key, name in enumerate(sorted(shapes)):
        count = 1
        for side in shapes[name]:
            count *= side
        weights[name] = Tensor(Storage(str(key), count), shapes[name])
        parts.append(numbers[at : at + 4 * count])
        at += 4 * count
    program = io.BytesIO()
    Pickler(program, protocol=2).dump({"epoch": 90, "state_dict": weights})
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("archive/data.pkl", program.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, part in enumerate(parts):
            archive.writestr(f"archive/data/{key}", part)
        archive.writestr("archive/version", "3\n")


main(*sys.argv[1:])
