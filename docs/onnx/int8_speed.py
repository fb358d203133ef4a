"""The speed of an INT8 model in this program, ONNX Runtime and OpenVINO, in turns: images a second, medians, and ratios of neighbours.

int8_speed.py MNASNET MODEL.onnx [--batch N] [--threads N] [--rounds N]

Needs numpy, onnxruntime and openvino. Nothing else should run."""

import argparse
import json
import statistics
import subprocess
import time

import numpy as np
import onnxruntime
import openvino

args = argparse.ArgumentParser()
args.add_argument("mnasnet")
args.add_argument("model")
args.add_argument("--batch", type=int, default=32)
args.add_argument("--threads", type=int, default=2)
args.add_argument("--rounds", type=int, default=7)
args = args.parse_args()
SECONDS = 2.0


def timed(call, images):
    """Images a second of the median call."""
    for _ in range(3):
        call()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return images / statistics.median(times)


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = args.threads
session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
(image,) = session.get_inputs()
pixels = np.random.default_rng(1).normal(size=[args.batch, *image.shape[1:]]).astype(np.float32)
core = openvino.Core()
model = core.read_model(args.model)
model.reshape([args.batch, *image.shape[1:]])
hint = {"INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
request = core.compile_model(model, "CPU", hint).create_infer_request()


def ours():
    command = [args.mnasnet, "bench", "infer", "-w", args.model, "--batch", str(args.batch), "--threads", str(args.threads)]
    return json.loads(subprocess.check_output(command + ["--seconds", str(SECONDS), "--json"]))["images_per_s"]


programs = {
    "mnasnet": ours,
    "ONNX Runtime": lambda: timed(lambda: session.run(None, {image.name: pixels}), args.batch),
    "OpenVINO": lambda: timed(lambda: request.infer([pixels]), args.batch),
}
rates = {name: [] for name in programs}
for _ in range(args.rounds):
    for name, rate in programs.items():
        rates[name].append(rate())
for name, seen in rates.items():
    ratios = sorted(ours / theirs for ours, theirs in zip(rates["mnasnet"], seen))
    print(
        f"{name}: {statistics.median(seen):.0f} images/s ({min(seen):.0f} to {max(seen):.0f}); "
        f"mnasnet is {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
