"""Runs a network in onnxruntime or ncnn, on one thread, and says how long frames take: the other side of
bench/child.rs, in the same lines."""

import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np


def onnxruntime(file, picture):
    import onnxruntime as ort

    ort.set_default_logger_severity(3)
    start = time.perf_counter()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return start, lambda: session.run(None, {name: picture[None]})


def ncnn(file, picture):
    import ncnn

    # Its own format is made beforehand, by the program beside pnnx's Python: that needs torch.
    net = ncnn.Net()
    net.opt.num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "net.onnx").write_bytes(pathlib.Path(file).read_bytes())
        pnnx = pathlib.Path(importlib.util.find_spec("pnnx").submodule_search_locations[0]) / "pnnx"
        shape = ",".join(str(n) for n in (1, *picture.shape))
        made = [str(pnnx), "net.onnx", f"inputshape=[{shape}]"]
        subprocess.run(made, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        start = time.perf_counter()
        for load, kind in [(net.load_param, "param"), (net.load_model, "bin")]:
            if load(str(folder / f"net.ncnn.{kind}")) != 0:
                sys.exit(f"ncnn cannot read its {kind}")

    def run():
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], ncnn.Mat(picture))
        answers = [extractor.extract(name) for name in net.output_names()]
        # A network that fails in a layer would be the fastest.
        if any(code != 0 for code, _ in answers):
            sys.exit("ncnn cannot compute an output")
        return [answer.numpy() for _, answer in answers]

    return start, run


def main():
    runtime, side, file = sys.argv[1:]
    picture = np.full((3, int(side), int(side)), 0.5, np.float32)
    start, run = {"onnxruntime": onnxruntime, "ncnn": ncnn}[runtime](file, picture)
    run()
    print("ready", (time.perf_counter() - start) * 1e3, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        print(*times, flush=True)
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peak = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    print("peak", *(peak or ["0"]), flush=True)


main()
