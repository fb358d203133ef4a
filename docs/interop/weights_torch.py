"""PyTorch, torchvision, timm and transformers: their files read, ours written to them. See weights.sh."""

import copy
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import timm
import torch
import torchvision
from common import FAILED, compare, inputs, photos, row, run
from huggingface_hub import save_torch_state_dict
from seasoned import seasoned
from timm.data import resolve_data_config
from timm.models._hub import save_for_hf
from torch import nn

program = sys.argv[1]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
TORCH = "torch " + torch.__version__.split("+")[0]
VISION = "torchvision " + torchvision.__version__.split("+")[0]
TIMM = "timm " + timm.__version__
torch.manual_seed(1)
pixels = {side: photos(f"photos{side}", side) for side in (232, 256, 202)}
images = torch.from_numpy(inputs(pixels[256], 224, *IMAGENET)).float()


def logits(model, side=224, size=256, norm=IMAGENET):
    with torch.no_grad():
        return copy.deepcopy(model).double()(torch.from_numpy(inputs(pixels[size], side, *norm))).numpy()


def numbered(count):
    return [str(number) for number in range(count)]


def told(*wanted):
    """A refusal: exit code 4, a sentence that holds all that is wanted, and nothing of a broken file."""

    def refuse(path):
        code, _, error = run(program, "convert", path, "no.safetensors")
        assert code == 4, f"exit code {code}: {error}"
        assert all(part in error for part in wanted) and "not a whole" not in error, error
        return "refused with its kind and a line"

    return refuse


# Weights in.
for name in ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]:
    model = seasoned(getattr(torchvision.models, name)(num_classes=10), images)
    torch.save(model.state_dict(), f"{name}.pth")
    size = 232 if name in ("mnasnet0_75", "mnasnet1_3") else 256
    row(f"`{name}` `.pth`", VISION, lambda: compare(program, f"{name}.pth", f"photos{size}", logits(model, size=size), numbered(10)))
vision = seasoned(torchvision.models.mnasnet0_5(num_classes=10), images)
state = vision.state_dict()
expected = logits(vision)


def swept():
    for length in range(1, 121):
        path = "n" * length + ".pth"
        torch.save(state, path)
        code, _, error = run(program, "convert", path, "swept.safetensors")
        assert code == 0, f"{length}: {error}"
        os.remove(path)
    return "120 of 120 read"


row("`.pth` with a name of 1 to 120 letters", TORCH, swept)
torch.save(state, "old.pth", _use_new_zipfile_serialization=False)
row("`.pth` of the older format", TORCH, lambda: compare(program, "old.pth", "photos256", expected, numbered(10)))
open("tail.pth", "wb").write(open("mnasnet0_5.pth", "rb").read() + bytes(64))


def same_as_torch():
    """Whatever PyTorch makes of bytes behind the archive, we make of it."""
    try:
        torch.load("tail.pth", weights_only=True)
        theirs = 0
    except Exception:
        theirs = 4
    code, _, error = run(program, "convert", "tail.pth", "tail.safetensors")
    assert code == theirs, f"PyTorch {theirs}, we {code}: {error}"
    return "read" if theirs == 0 else "refused by both"


row("`.pth` with bytes behind it", TORCH, same_as_torch)
classes = [f"class {number}" for number in "zyxwvutsrq"]
torch.save({"epoch": 3, "model": state, "class_to_idx": {name: i for i, name in enumerate(classes)}}, "named.pth")
row("class names of a checkpoint", TORCH, lambda: compare(program, "named.pth", "photos256", expected, classes))
for label, head in [
    ("`classifier`", lambda m: setattr(m, "classifier", nn.Linear(1280, 6))),
    ("`classifier.1.0`", lambda m: m.classifier.__setitem__(1, nn.Sequential(nn.Linear(1280, 6)))),
    ("without bias", lambda m: m.classifier.__setitem__(1, nn.Linear(1280, 6, bias=False))),
]:
    model = torchvision.models.mnasnet0_5()
    head(model)
    seasoned(model, images)
    torch.save(model.state_dict(), "head.pth")
    row(f"classifier replaced: {label}", VISION, lambda: compare(program, "head.pth", "photos256", logits(model), numbered(6)))
model = torchvision.models.mnasnet0_5()
model.classifier = nn.Sequential(nn.Linear(1280, 64), nn.ReLU(), nn.Linear(64, 6))
torch.save(model.state_dict(), "two.pth")
row("classifier of two layers", VISION, lambda: told("its classifier has 2 layers", "torch.onnx.export")("two.pth"))
NAMES = ["ant", "bee", "cat", "dog", "emu", "fox"]
HALF = ([0.5] * 3, [0.5] * 3)
CONFIG = {"mean": HALF[0], "std": HALF[1], "crop_pct": 0.95, "interpolation": "bilinear", "input_size": (3, 192, 192)}
for name in ["mnasnet_050", "semnasnet_075", "mnasnet_small"]:
    model = seasoned(timm.create_model(name, num_classes=6), images)
    save_for_hf(model, f"hub_{name}", model_config={"label_names": NAMES, "pretrained_cfg": CONFIG}, safe_serialization=True)
    answer = logits(model, 192, 202, HALF)
    row(f"folder of `{name}`, `model.safetensors`", TIMM, lambda: compare(program, f"hub_{name}", "photos202", answer, NAMES))
save_for_hf(model, "hub_bin", model_config={"label_names": NAMES, "pretrained_cfg": CONFIG}, safe_serialization=False)
row("folder, `pytorch_model.bin`", TIMM, lambda: compare(program, "hub_bin", "photos202", answer, NAMES))
os.makedirs("hub_shards")
save_torch_state_dict(model.state_dict(), "hub_shards", max_shard_size="1MB")
os.link("hub_bin/config.json", "hub_shards/config.json")
row("folder, sharded index", "huggingface_hub", lambda: compare(program, "hub_shards", "photos202", answer, NAMES))
import transformers
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

HUGGING = "transformers " + transformers.__version__
config = TimmWrapperConfig(
    architecture="mnasnet_small",
    num_labels=6,
    id2label=dict(enumerate(NAMES)),
    pretrained_cfg={**CONFIG, "crop_mode": "center"},
)
wrapper = TimmWrapperForImageClassification(config)
wrapper.timm_model.load_state_dict(model.state_dict())
wrapper.save_pretrained("hub_wrapper")
row("folder, `timm_model.` inside", HUGGING, lambda: compare(program, "hub_wrapper", "photos202", answer, NAMES))

# What is none of weights.
torch.save(vision, "model.pth")
torch.jit.script(vision).save("script.pt")
torch.export.save(torch.export.export(vision, (torch.zeros(1, 3, 64, 64),)), "program.pt2")
quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(vision), {nn.Linear}, dtype=torch.qint8)
torch.save(quantised.state_dict(), "quantised.pth")
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

dcp.save({"model": state}, checkpoint_id="distributed")
import keras

keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save("model.keras")
keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights("model.weights.h5")
for path, what, other, wanted in [
    ("model.pth", "whole model", TORCH, "weights_only=False).state_dict()"),
    ("script.pt", "TorchScript", TORCH, "torch.jit.load(FILE).state_dict()"),
    ("program.pt2", "torch.export", TORCH, "torch.export.load(FILE).state_dict"),
    ("quantised.pth", "quantised weights", TORCH, "before the quantisation"),
    ("distributed", "distributed checkpoint", TORCH, "dcp_to_torch"),
    ("model.keras", "Keras", "Keras " + keras.__version__, "model.onnx"),
    ("model.weights.h5", "HDF5", "Keras " + keras.__version__, "model.onnx"),
]:
    row(f"`{path}`", other, lambda: told(what, wanted)(path))


def lines_work():
    """The lines that refusals give, run."""
    torch.save(torch.load("model.pth", weights_only=False).state_dict(), "line1.pth")
    torch.save(torch.jit.load("script.pt").state_dict(), "line2.pth")
    torch.save(torch.export.load("program.pt2").state_dict, "line3.pth")
    dcp_to_torch_save("distributed", "line4.pth")
    for path in ["line1.pth", "line2.pth", "line3.pth", "line4.pth"]:
        compare(program, path, "photos256", expected, numbered(10))
    return "four lines, four files read"


row("the lines that refusals give", TORCH, lines_work)

# Weights out.
open("names.txt", "w").write("\n".join(classes))
code, _, error = run(program, "convert", "named.pth", "ours.safetensors")
assert code == 0, error


def written(path, target, model):
    code, _, error = run(program, "convert", "ours.safetensors", path, "--to", target)
    assert code == 0, error
    for mapped in (False, True):
        model.load_state_dict(torch.load(path, weights_only=True, mmap=mapped), strict=True)
        worst = np.abs(logits(model.eval()) - expected).max()
        assert worst == 0, f"logits differ by {worst}"
    return "strict; logits equal to the last bit"


row("`--to torchvision out.pth`", VISION, lambda: written("v.pth", "torchvision", torchvision.models.mnasnet0_5(num_classes=10)))
row("`--to timm out.pth`", TIMM, lambda: written("t.pth", "timm", timm.create_model("mnasnet_050", num_classes=10)))


def folder():
    code, _, error = run(program, "convert", "ours.safetensors", "out", "--to", "timm")
    assert code == 0, error
    model = timm.create_model("local-dir:out", pretrained=True).eval()
    assert np.array_equal(logits(model), expected), "the logits differ"
    config = resolve_data_config({}, model=model)
    assert tuple(config["input_size"]) == (3, 224, 224) and config["crop_pct"] == 0.875 and config["interpolation"] == "bilinear", config
    assert (list(config["mean"]), list(config["std"])) == IMAGENET, config
    assert list(model.pretrained_cfg["label_names"]) == classes, model.pretrained_cfg
    return "logits equal to the last bit; mean, size, crop, names"


row("`--to timm DIR`", TIMM, folder)


def wrapped():
    model = TimmWrapperForImageClassification.from_pretrained("out").eval()
    assert np.array_equal(logits(model.timm_model), expected), "the logits differ"
    assert list(model.config.id2label.values()) == classes, model.config.id2label
    return "logits equal to the last bit; names"


row("`--to timm DIR`", HUGGING, wrapped)
sys.exit(bool(FAILED))
