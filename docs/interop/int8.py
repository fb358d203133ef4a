"""f32.onnx and int8.onnx in runtimes for phones, on the photos of `photos`: int8.py MNASNET ONNX2TF. See int8.sh."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from common import predicted
from PIL import Image

PROGRAM, ONNX2TF = sys.argv[1:]
FAILED = []
metadata = {entry.key: entry.value for entry in onnx.load("f32.onnx").metadata_props}
CLASSES, PREPROCESSING = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
SIDE = PREPROCESSING["resolution"]


def read(path):
    """What the model sees of a photo, float32, [3, SIDE, SIDE]."""
    photo = Image.open(path).convert("RGB")
    short, (width, height) = PREPROCESSING["resize"], photo.size
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = (round((length - SIDE) / 2) for length in size)
    middle = photo.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
    mean, std = (np.array(PREPROCESSING[key], np.float32) for key in ("mean", "std"))
    return np.ascontiguousarray(((np.asarray(middle, np.float32) / 255 - mean) / std).transpose(2, 0, 1))


IMAGES = np.stack([read(path) for path in sorted(Path("photos").iterdir())])
CALIBRATION = np.stack([read(path) for path in sorted(Path("calibration").iterdir())])


def command(*arguments):
    """Runs a converter, which must end with 0."""
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, f"the converter ends with {done.returncode}"


def row(thing, other, source, wanted, logits):
    """`logits` gives a row of logits for each image; `wanted` is what the table of docs/interop.md says of the outcome."""
    try:
        values = np.array(logits(), np.float64).reshape(len(IMAGES), -1)
        found = np.exp(values - values.max(1, keepdims=True))
        found /= found.sum(1, keepdims=True)
        ours = [dict(answer) for answer in predicted(PROGRAM, source, "photos", len(CLASSES))]
        ours = np.array([[answer[name] for name in CLASSES] for answer in ours])
        same = (found.argmax(1) == ours.argmax(1)).sum()
        outcome = "runs" if same >= len(ours) * 0.8 else "**garbage**"
        figure = f"{same} of {len(ours)} first classes; probability within {np.abs(found - ours).max():.0e}"
    except (AssertionError, RuntimeError, ValueError) as error:
        outcome, figure = "fails", str(error).splitlines()[0]
    if outcome != wanted:
        FAILED.append(thing)
    print(f"| {thing} | {other} | {outcome} | {figure} |", flush=True)


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


def mnn():
    def logits(source, *flags):
        import MNN
        from MNN import expr

        # mnnconvert itself installs a package and reports: findings/mnnconvert-installs-a-package-to-report.sh.
        convert = [sys.executable, "-c", "import MNN, sys, _tools; _tools.mnnconvert(sys.argv)"]
        command(*convert, "-f", "ONNX", "--modelFile", source, "--MNNModel", "model.mnn", "--bizCode", "none", *flags)
        net = MNN.nn.load_module_from_file("model.mnn", ["image"], ["logits"])
        rows = []
        for image in IMAGES:
            x = expr.placeholder([1, 3, SIDE, SIDE], expr.NCHW, expr.float)
            x.write(image[None].copy())
            rows.append(np.array(expr.convert(net.forward([x])[0], expr.NCHW).read()).copy())
        return rows

    other = version("MNN")
    row("float32", other, "f32.onnx", "runs", lambda: logits("f32.onnx"))
    row("INT8", other, "int8.onnx", "fails", lambda: logits("int8.onnx"))
    row("float32, `mnnconvert --weightQuantBits 8`", other, "f32.onnx", "runs", lambda: logits("f32.onnx", "--weightQuantBits", "8"))


def ncnn():
    def logits(name):
        import ncnn

        command("pnnx", f"{name}.onnx", f"inputshape=[1,3,{SIDE},{SIDE}]")
        net = ncnn.Net()
        assert net.load_param(f"{name}.ncnn.param") == 0, "`pnnx` ends with 0; `load_param` says -1: no layer `pnnx.Expression`"
        assert net.load_model(f"{name}.ncnn.bin") == 0, "`load_model` fails"
        rows = []
        for image in IMAGES:
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(image).clone())
            rows.append(np.array(extractor.extract("out0")[1]))
        return rows

    other = f"{version('pnnx')}, {version('ncnn')}"
    row("float32", other, "f32.onnx", "runs", lambda: logits("f32"))
    row("INT8", other, "int8.onnx", "fails", lambda: logits("int8"))


def litert():
    def logits(path):
        from ai_edge_litert.interpreter import Interpreter

        model = Interpreter(path)
        model.allocate_tensors()
        enter, leave = model.get_input_details()[0], model.get_output_details()[0]
        rows = []
        for image in IMAGES:
            scale, zero = enter["quantization"]
            values = np.clip(np.round(image / scale + zero), -128, 127) if scale else image
            model.set_tensor(enter["index"], values.transpose(1, 2, 0)[None].astype(enter["dtype"]))
            model.invoke()
            scale, zero = leave["quantization"]
            values = model.get_tensor(leave["index"]).astype(np.float32)
            rows.append((values - zero) * scale if scale else values)
        return rows

    def converted(source, kind, *flags):
        command(ONNX2TF, "-n", "-i", source, "-o", "tf", *flags)
        return logits(f"tf/{Path(source).stem}_{kind}.tflite")

    def quantised(recipe):
        from litert_quantizer import quantizer, recipe as recipes

        work = quantizer.Quantizer("tf/f32_float32.tflite", getattr(recipes, recipe)())
        seen = {"serving_default": [{"image": image.transpose(1, 2, 0)[None]} for image in CALIBRATION]}
        work.quantize(work.calibrate(seen) if work.need_calibration else None).export_model(f"{recipe}.tflite")
        return logits(f"{recipe}.tflite")

    runtime = version("ai-edge-litert")
    other = f"onnx2tf 2.6.9, {runtime}"
    row("float32", other, "f32.onnx", "runs", lambda: converted("f32.onnx", "float32"))
    row("INT8", other, "int8.onnx", "runs", lambda: converted("int8.onnx", "float32"))
    row("float32, the float16 file", other, "f32.onnx", "runs", lambda: converted("f32.onnx", "float16"))
    row("float32, `-odrqt`", other, "f32.onnx", "fails", lambda: converted("f32.onnx", "dynamic_range_quant", "-odrqt"))
    other = f"{version('litert-quantizer')}, {runtime}"
    for recipe in ("dynamic_wi8_afp32", "static_wi8_ai8"):
        row(f"float32, `recipe.{recipe}`", other, "f32.onnx", "runs", lambda: quantised(recipe))


mnn()
ncnn()
litert()
sys.exit(bool(FAILED))
