"""An INT8 model beside one that ONNX Runtime quantises itself: accuracy, and speed in turns.

usage: int8.py FLOAT.onnx INT8.onnx DATA     (DATA has train/CLASS/ and val/CLASS/; FLOAT and INT8 come from `mnasnet export`)
"""

import json
import pathlib
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

onnxruntime.set_default_logger_severity(3)
float32, int8, data = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
metadata = {entry.key: entry.value for entry in onnx.load(float32).metadata_props}
classes, preprocessing = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
side, short = preprocessing["resolution"], preprocessing["resize"]
assert preprocessing["interpolation"] == "bilinear"


def read(path):
    photo = Image.open(path).convert("RGB")
    width, height = photo.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    photo = photo.resize(size, Image.BILINEAR)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    pixels = np.asarray(photo.crop((left, top, left + side, top + side)), np.float32) / 255
    mean, std = (np.array(preprocessing[key], np.float32) for key in ("mean", "std"))
    return ((pixels - mean) / std).transpose(2, 0, 1)


def split(name, most=None):
    files = [(path, label) for label, wnid in enumerate(classes) for path in sorted((data / name / wnid).iterdir())]
    if most:
        files = [files[i * len(files) // most] for i in range(most)]
    return np.stack([read(path) for path, _ in files]), np.array([label for _, label in files])


class Reader(CalibrationDataReader):
    def __init__(self, images):
        self.batches = iter([{"image": images[i : i + 16]} for i in range(0, len(images), 16)])

    def get_next(self):
        return next(self.batches, None)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def logits(path):
    run = session(path)
    return np.concatenate([run.run(None, {"image": images[i : i + 50]})[0] for i in range(0, len(images), 50)])


calibration, _ = split("train", 512)
quant_pre_process(float32, "prepared.onnx", skip_symbolic_shape=True)
theirs = {}
for method in ("MinMax", "Percentile", "Entropy"):
    theirs[method] = f"ort-{method.lower()}.onnx"
    quantize_static(
        "prepared.onnx",
        theirs[method],
        Reader(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        calibrate_method=CalibrationMethod[method],
    )
images, labels = split("val")
reference = logits(float32)
for path in [float32, int8, *theirs.values()]:
    found = logits(path)
    top5 = (np.argsort(-found, 1)[:, :5] == labels[:, None]).any(1).mean()
    same = (found.argmax(1) == reference.argmax(1)).mean()
    print(f"{path}: top-1 {(found.argmax(1) == labels).mean():.3f}, top-5 {top5:.3f}, first class as float32 {same:.3f}")
for batch in (1, 32):
    paths = [theirs["Entropy"], int8]
    sessions, times, end = [session(path) for path in paths], [[], []], time.time() + 40
    while time.time() < end:
        for which in np.random.permutation(2):
            begin = time.perf_counter()
            for _ in range(32 // batch):
                sessions[which].run(None, {"image": images[:batch]})
            times[which].append((time.perf_counter() - begin) / 32)
    theirs_s, ours_s = (np.array(column[2:]) for column in times)
    print(f"batch {batch}: theirs {1 / np.median(theirs_s):.0f}, ours {1 / np.median(ours_s):.0f} images/s, "
          f"ratio {np.median(theirs_s / ours_s):.2f}")
