"""The rows of docs/interop.md on ONNX: onnx_torch.py MNASNET FOLDER PHOTOS [MODEL.onnx...], by onnx.sh.

FOLDER is new, PHOTOS are in folders, and the models are MindSpore's. The middle of each photo is taken, so that nothing is resized. A
figure is the largest difference of logarithms of probabilities from ONNX Runtime's over all networks, where they are above -20. The
last column counts photos of another first class.
"""
import copy
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
warnings.filterwarnings("ignore")
import numpy as np
import onnx
import onnxruntime as ort
import timm
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image
from seasoned import seasoned
from timm.utils.onnx import onnx_export

PROGRAM, FOLDER, PHOTOS, *MORE = [os.path.abspath(path) for path in sys.argv[1:]]
LIBRARY = next(Path(ort.__file__).parent.glob("capi/libonnxruntime.so.1.*"))
TORCH = "PyTorch " + torch.__version__.split("+")[0]
TIMM = "timm " + timm.__version__
ONNX = "onnx " + onnx.__version__
RUNTIME = "ONNX Runtime " + ort.__version__
# What rten has no operation for.
RTEN_LACKS = ("`quantize_dynamic`", "`quantize_static`, QOperator", "saved by the optimiser, extended and all")
# Another rounding, by which near ties fall to the other side: how far the logarithms of the two classes may be apart.
ROUNDED = {"float16": 0.05, "QDQ": 2.0, "`quantize_dynamic`": 2.0}
SIDE, CLASSES = 96, 10
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
ort.set_default_logger_severity(3)


class Bytes(torch.nn.Module):
    """uint8 in, normalised inside."""

    def __init__(self, net, last):
        super().__init__()
        self.net, self.last = net, last
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255)

    def forward(self, x):
        x = x.permute(0, 3, 1, 2) if self.last else x
        return self.net((x.float() - self.mean) / self.std)


class Last(torch.nn.Module):
    """Colours last in, probabilities out."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return torch.softmax(self.net(x.permute(0, 3, 1, 2)), 1)


class Calibration(CalibrationDataReader):
    """The inputs of some photos, one by one."""

    def __init__(self, inputs):
        self.inputs = iter(inputs)

    def get_next(self):
        image = next(self.inputs, None)
        return None if image is None else {"input": image[None]}


def files(name, net, inputs):
    """Writes the network as people write it; yields what each file is, who wrote it, and its path."""
    x = torch.rand(1, 3, SIDE, SIDE)
    byte = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    base = f"{name}-old-18.onnx"

    def old(path, net=net, x=x, free=(0,), **how):
        axes = {"input": {axis: f"d{axis}" for axis in free}}
        torch.onnx.export(net, (x,), path, dynamo=False, input_names=["input"], dynamic_axes=axes, **how)
        return path

    def new(path, net=net, x=x, free=(), **how):
        shapes = ({axis: torch.export.Dim(f"d{axis}") for axis in free},) if free else None
        torch.onnx.export(net, (x,), path, dynamic_shapes=shapes, verbose=False, **how)
        return path

    yield "`torch.onnx.export`, weights beside the model", TORCH, new(f"{name}-new.onnx")
    for opset in (21, 23, 24, 25, 26):
        yield "the same at opsets 21 and 23 to 26", TORCH, new(f"{name}-new-{opset}.onnx", opset_version=opset)
    yield "the same with dynamic batch, height and width", TORCH, new(f"{name}-new-any.onnx", free=(0, 2, 3))
    what = "the older exporter, default opset, 11, 18 and 20"
    yield what, TORCH, old(f"{name}-old.onnx")
    for opset in (11, 18, 20):
        yield what, TORCH, old(f"{name}-old-{opset}.onnx", opset_version=opset)
    yield "the older exporter with dynamic height and width", TORCH, old(f"{name}-old-any.onnx", free=(0, 2, 3))
    for kind in (False, True):
        onnx_export(net, f"{name}-timm-{kind}.onnx", input_size=(3, SIDE, SIDE), batch_size=1, dynamic_size=kind)
        yield "`timm.utils.onnx.onnx_export`, fixed and dynamic", TIMM, f"{name}-timm-{kind}.onnx"
    for opset in (22, 26):
        onnx.save(onnx.version_converter.convert_version(onnx.load(base), opset), f"{name}-{opset}.onnx")
        yield "`version_converter` to opsets 22 and 26", ONNX, f"{name}-{opset}.onnx"
    os.makedirs(f"{name}-each", exist_ok=True)
    how = {"save_as_external_data": True, "all_tensors_to_one_file": False, "size_threshold": 0}
    onnx.save_model(onnx.load(base), f"{name}-each/m.onnx", **how)
    yield "`save_model` with a file a tensor", ONNX, f"{name}-each/m.onnx"
    shuffled = onnx.load(base)
    nodes = list(shuffled.graph.node)
    random.Random(0).shuffle(nodes)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    onnx.save(shuffled, f"{name}-shuffled.onnx")
    yield "nodes out of order", ONNX, f"{name}-shuffled.onnx"
    half = copy.deepcopy(net).half()
    yield "a network in float16, two exporters", TORCH, new(f"{name}-half-new.onnx", net=half, x=x.half())
    yield "a network in float16, two exporters", TORCH, old(f"{name}-half-old.onnx", net=half, x=x.half())
    onnx.save(convert_float_to_float16(onnx.load(base)), f"{name}-f16.onnx")
    yield "`convert_float_to_float16`, float16 in and out", RUNTIME, f"{name}-f16.onnx"
    what = "uint8 in with the normalisation inside, colours first and last"
    yield what, TORCH, old(f"{name}-u8.onnx", net=Bytes(net, False).eval(), x=byte)
    last = byte.permute(0, 2, 3, 1).contiguous()
    yield what, TORCH, old(f"{name}-u8-last.onnx", net=Bytes(net, True).eval(), x=last)
    what = "float32, colours last, softmax at the end"
    yield what, TORCH, old(f"{name}-last.onnx", net=Last(net).eval(), x=x.permute(0, 2, 3, 1))
    quantize_static(base, f"{name}-qdq.onnx", Calibration(inputs[:16]), quant_format=QuantFormat.QDQ, per_channel=True)
    yield "`quantize_static`, QDQ", RUNTIME, f"{name}-qdq.onnx"
    try:
        quantize_static(base, f"{name}-qop.onnx", Calibration(inputs[:16]), quant_format=QuantFormat.QOperator)
        yield "`quantize_static`, QOperator (`mnasnet0_5`)", RUNTIME, f"{name}-qop.onnx"
    except AttributeError:
        # onnxruntime 1.32's own quantiser stops at the axes of ReduceMean.
        pass
    for kind in (QuantType.QInt8, QuantType.QUInt8):
        quantize_dynamic(base, f"{name}-dynamic-{kind}.onnx", weight_type=kind)
        yield "`quantize_dynamic`, two kinds of weights", RUNTIME, f"{name}-dynamic-{kind}.onnx"
    levels = ort.GraphOptimizationLevel
    for level in ("BASIC", "EXTENDED", "ALL"):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = f"{name}-{level.lower()}.onnx"
        ort.InferenceSession(base, options, providers=["CPUExecutionProvider"])
        what = "saved by the optimiser, " + ("basic" if level == "BASIC" else "extended and all")
        yield what, RUNTIME, f"{name}-{level.lower()}.onnx"


def keras_model():
    """A network of Keras with its own rescaling."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 3))
    inner = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), alpha=0.35, weights=None, classes=CLASSES)
    model = keras.Model(image, inner(keras.layers.Rescaling(1 / 127.5, offset=-1)(image)))
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))
    model.export("keras-mobilenet.onnx", format="onnx", verbose=False)
    return "MobileNetV2 with rescaling inside, colours last (`model.export`)", "Keras " + keras.__version__, "keras-mobilenet.onnx"


def logs(values):
    """Logarithms of the softmax."""
    values = values - values.max(1, keepdims=True)
    return values - np.log(np.exp(values).sum(1, keepdims=True))


def theirs(path, photos):
    """What ONNX Runtime says, photo by photo."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    info = session.get_inputs()[0]
    values = photos if "uint8" in info.type else (photos.astype(np.float32) / 255 - MEAN) / STD
    values = values if info.shape[3] == 3 else values.transpose(0, 3, 1, 2)
    values = np.ascontiguousarray(values.astype(np.float16) if "float16" in info.type else values)
    rows = [session.run(None, {info.name: values[at : at + 1]})[0] for at in range(len(values))]
    rows = np.concatenate(rows).astype(np.float64).reshape(len(photos), -1)
    is_softmax = (rows >= 0).all() and abs(rows.sum(1) - 1).max() < 1e-2
    return np.log(np.maximum(rows, 1e-38)) if is_softmax else logs(rows), info.shape


def ours(path, shape, runtime):
    """What `mnasnet predict` says, or why it does not."""
    flags = ["--json", "--top", str(CLASSES), "--no-resize", "--runtime", runtime]
    flags += ["--runtime-library", str(LIBRARY)] if runtime == "onnxruntime" else []
    flags += [] if SIDE in shape[1:] else ["--resolution", str(SIDE)]
    done = subprocess.run([PROGRAM, "predict", "--weights", path, "photos", *flags], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    rows = [json.loads(line)["top"] for line in done.stdout.splitlines()]
    rows = [[guess["probability"] for guess in sorted(row, key=lambda guess: int(guess["class"]))] for row in rows]
    return np.log(np.maximum(np.array(rows), 1e-38))


def middles():
    """The middle of each photo, saved as the program is to see it; the bytes."""
    os.makedirs("photos")
    for at, path in enumerate(sorted(path for path in Path(PHOTOS).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))):
        image = Image.open(path).convert("RGB")
        left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
        image.crop((left, top, left + SIDE, top + SIDE)).save(f"photos/{at:04}.png")
    return np.stack([np.array(Image.open(path)) for path in sorted(Path("photos").iterdir())])


def judged(what, found, expected):
    """The largest difference, how many first classes differ, and whether that is as it should be."""
    off = np.abs(found - expected)[expected > -20].max()
    other = found.argmax(1) != expected.argmax(1)
    # How far behind the first class the other one is.
    behind = expected.max(1) - expected[np.arange(len(found)), found.argmax(1)]
    allowed = next((most for kind, most in ROUNDED.items() if kind in what), 0)
    return off, other.sum(), behind.max() <= allowed


def main():
    os.makedirs(FOLDER)
    os.chdir(FOLDER)
    photos = middles()
    inputs = np.ascontiguousarray(((photos.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2))
    torch.manual_seed(1)
    networks = {
        "torchvision-mnasnet0_5": torchvision.models.mnasnet0_5(weights=None, num_classes=CLASSES),
        "timm-mnasnet_small": timm.create_model("mnasnet_small", num_classes=CLASSES),
        "timm-semnasnet_075": timm.create_model("semnasnet_075", num_classes=CLASSES),
    }
    models = []
    for name, net in networks.items():
        models += files(name, seasoned(net, torch.from_numpy(inputs)), inputs)
    models += [keras_model()] + [("MNASNet of mindcv", "MindSpore 2.10.0, mindcv 0.3.0", path) for path in MORE]
    things = {}
    for what, other, path in models:
        things.setdefault((what, other), []).append(path)
    print(f"| thing | other side | outcome | figure: rten 0.27, {RUNTIME} | other first class, of {len(photos)} photos |")
    print("| --- | --- | --- | --- | --- |")
    failed = []
    for (what, other), paths in things.items():
        figures, firsts, refusals = {}, {}, {}
        for path in paths:
            expected, shape = theirs(path, photos)
            for runtime in ("rten", "onnxruntime"):
                found = ours(path, shape, runtime)
                if isinstance(found, str):
                    refusals[runtime] = found
                    continue
                off, differ, good = judged(what, found, expected)
                figures[runtime] = max(figures.get(runtime, 0), off)
                firsts[runtime] = firsts.get(runtime, 0) + differ
                if not good:
                    failed.append(f"{path} in {runtime}: {differ} first classes, {off:.1e}")
        lacks = what.startswith(RTEN_LACKS)
        failed += [f"{what} in {runtime}: {why}" for runtime, why in refusals.items() if runtime != "rten" or not lacks]
        outcome = "runs" if not refusals else "in ONNX Runtime" if lacks and len(refusals) == 1 else "**fails**"
        cells = [f"{figures[r]:.1e}" if r in figures else "refused with the flag" for r in ("rten", "onnxruntime")]
        counts = [str(firsts[r]) if r in firsts else "-" for r in ("rten", "onnxruntime")]
        print(f"| {what} | {other} | {outcome} | {', '.join(cells)} | {', '.join(counts)} |", flush=True)
    print(*failed, sep="\n", file=sys.stderr)
    sys.exit(bool(failed))


main()
