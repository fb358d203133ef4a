"""The rows of docs/interop.md on ONNX: onnx_torch.py MNASNET FOLDER [MORE.onnx...], by onnx.sh. FOLDER is new; MORE are models made
elsewhere. A figure is the largest difference of logarithms of probabilities from ONNX Runtime's on 20 photos, where they are above -20,
and how many photos have the same first class.
"""
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
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image
from timm.utils.onnx import onnx_export

PROGRAM, FOLDER, *MORE = [os.path.abspath(path) for path in sys.argv[1:]]
LIBRARY = next(Path(ort.__file__).parent.glob("capi/libonnxruntime.so.1.*"))
# What rten has no operation for.
RTEN_LACKS = ("quantize_dynamic", "quantize_static, QOperator", "saved by ONNX Runtime")
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


class Photos(CalibrationDataReader):
    def __init__(self):
        self.rng, self.left = np.random.default_rng(0), 4

    def get_next(self):
        self.left -= 1
        return {"input": self.rng.random((1, 3, SIDE, SIDE), np.float32)} if self.left >= 0 else None


def seeded(net):
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def files(name, net):
    """Writes the network as people write it; yields what each file is and its path."""
    x = torch.rand(1, 3, SIDE, SIDE)
    byte = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    base = f"{name}-base.onnx"

    def old(path, net=net, x=x, free=(0,), **how):
        axes = {"input": {axis: f"d{axis}" for axis in free}}
        torch.onnx.export(net, (x,), path, dynamo=False, input_names=["input"], dynamic_axes=axes, **how)
        return path

    def new(path, free=(), **how):
        shapes = ({axis: torch.export.Dim(f"d{axis}") for axis in free},) if free else None
        torch.onnx.export(net, (x,), path, dynamic_shapes=shapes, verbose=False, **how)
        return path

    yield "torch.onnx.export, default (weights beside)", new(f"{name}-new.onnx")
    yield "the same, dynamic batch, height, width", new(f"{name}-new-any.onnx", free=(0, 2, 3))
    for opset in (21, 23, 25):
        yield f"the same, opset {opset}", new(f"{name}-new-{opset}.onnx", opset_version=opset)
    yield "older exporter, default opset", old(f"{name}-old.onnx")
    for opset in (11, 18):
        path = base if opset == 18 else f"{name}-old-{opset}.onnx"
        yield f"older exporter, opset {opset}", old(path, opset_version=opset)
    yield "older exporter, dynamic height, width", old(f"{name}-old-any.onnx", free=(0, 2, 3))
    onnx_export(net, f"{name}-timm.onnx", input_size=(3, SIDE, SIDE), batch_size=1)
    yield "timm.utils.onnx.onnx_export", f"{name}-timm.onnx"
    onnx.save(onnx.version_converter.convert_version(onnx.load(base), 26), f"{name}-26.onnx")
    yield "version_converter to opset 26", f"{name}-26.onnx"
    onnx.save(convert_float_to_float16(onnx.load(base)), f"{name}-f16.onnx")
    yield "convert_float_to_float16, float16 in", f"{name}-f16.onnx"
    yield "uint8 in, normalised inside", old(f"{name}-u8.onnx", net=Bytes(net, False).eval(), x=byte)
    last = byte.permute(0, 2, 3, 1).contiguous()
    yield "the same, colours last", old(f"{name}-u8-last.onnx", net=Bytes(net, True).eval(), x=last)
    yield "float32, colours last, softmax", old(f"{name}-last.onnx", net=Last(net).eval(), x=x.permute(0, 2, 3, 1))
    shuffled = onnx.load(base)
    nodes = list(shuffled.graph.node)
    random.Random(0).shuffle(nodes)
    del shuffled.graph.node[:]
    shuffled.graph.node.extend(nodes)
    onnx.save(shuffled, f"{name}-shuffled.onnx")
    yield "nodes out of order", f"{name}-shuffled.onnx"
    os.makedirs(f"{name}-each", exist_ok=True)
    how = {"save_as_external_data": True, "all_tensors_to_one_file": False, "size_threshold": 0}
    onnx.save_model(onnx.load(base), f"{name}-each/m.onnx", **how)
    yield "onnx.save_model, a file a tensor", f"{name}-each/m.onnx"
    quantize_dynamic(base, f"{name}-dynamic.onnx")
    yield "quantize_dynamic", f"{name}-dynamic.onnx"
    quantize_static(base, f"{name}-qdq.onnx", Photos(), quant_format=QuantFormat.QDQ, per_channel=True)
    yield "quantize_static, QDQ", f"{name}-qdq.onnx"
    try:
        quantize_static(base, f"{name}-qop.onnx", Photos(), quant_format=QuantFormat.QOperator)
        yield "quantize_static, QOperator", f"{name}-qop.onnx"
    except AttributeError:
        # onnxruntime 1.32's own quantiser stops at the axes of ReduceMean.
        pass
    levels = ort.GraphOptimizationLevel
    for level in ("EXTENDED", "ALL"):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = f"{name}-{level.lower()}.onnx"
        ort.InferenceSession(base, options, providers=["CPUExecutionProvider"])
        yield f"saved by ONNX Runtime, {level.lower()}", f"{name}-{level.lower()}.onnx"


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


def main():
    os.makedirs(f"{FOLDER}/photos")
    os.chdir(FOLDER)
    rng = np.random.default_rng(0)
    for at in range(20):
        noise = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        noise.resize((SIDE, SIDE), Image.BICUBIC).save(f"photos/{at:02}.png")
    photos = np.stack([np.array(Image.open(path)) for path in sorted(Path("photos").iterdir())])
    networks = {
        "torchvision-mnasnet0_5": seeded(torchvision.models.mnasnet0_5(weights=None, num_classes=CLASSES)),
        "timm-mnasnet_small": seeded(timm.create_model("mnasnet_small", num_classes=CLASSES)),
        "timm-semnasnet_075": seeded(timm.create_model("semnasnet_075", num_classes=CLASSES)),
    }
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 3))
    inner = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), alpha=0.35, weights=None, classes=CLASSES)
    model = keras.Model(image, inner(keras.layers.Rescaling(1 / 127.5, offset=-1)(image)))
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))
    model.export("keras-mobilenet.onnx", format="onnx", verbose=False)
    rows = [(name, what, path) for name, net in networks.items() for what, path in files(name, net)]
    rows += [("keras MobileNetV2", "model.export, colours last", "keras-mobilenet.onnx")]
    rows += [(Path(path).stem, "given", path) for path in MORE]
    print("| thing | other side | outcome | figure |\n| --- | --- | --- | --- |")
    failed = 0
    for name, what, path in rows:
        expected, shape = theirs(path, photos)
        counted = expected > -20
        for runtime, side in (("rten", "rten 0.27"), ("onnxruntime", f"ONNX Runtime {ort.__version__}")):
            found = ours(path, shape, runtime)
            if isinstance(found, str):
                outcome, figure = "refused", found[found.find("rten says") :] if "rten says" in found else found
                failed += runtime != "rten" or not what.startswith(RTEN_LACKS)
            else:
                off = np.abs(found - expected)[counted].max()
                same = (found.argmax(1) == expected.argmax(1)).sum()
                outcome, figure = "runs", f"{off:.1e} of {-expected[counted].min():.1f}, {same} of {len(photos)}"
                failed += same < len(photos)
            print(f"| {name}: {what} | {side} | {outcome} | {figure} |", flush=True)
    sys.exit(min(failed, 1))


main()
