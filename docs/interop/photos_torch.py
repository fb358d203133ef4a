"""First classes and the five most likely of photos, beside torchvision and timm: photos_torch.py MNASNET FOLDER OURS. See weights.sh.

The photos go through the other program's own preprocessing and its own network in float32. OURS is a trained MNASNet-B1 of width 0.5."""

import json
import sys
from pathlib import Path

import timm
import torch
import torchvision
from common import FAILED, row, run
from PIL import Image
from seasoned import seasoned
from timm.data import ImageNetInfo, create_transform, resolve_data_config

PROGRAM, FOLDER, OURS = sys.argv[1:]
VISION = "torchvision " + torchvision.__version__.split("+")[0]
TIMM = "timm " + timm.__version__
paths = sorted(path for path in Path(FOLDER).rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
torch.manual_seed(1)


def prepared(batch, transform):
    return torch.stack([transform(Image.open(path).convert("RGB")) for path in batch])


def compared(path, model, transform, classes, flags=()):
    """What differs, photo by photo."""
    with torch.no_grad():
        batches = (paths[at : at + 20] for at in range(0, len(paths), 20))
        theirs = torch.cat([model(prepared(batch, transform)).softmax(1) for batch in batches])
    code, out, error = run(PROGRAM, "predict", "--weights", path, *paths, "--top", 5, "--json", "--precision", "f32", *flags)
    assert code == 0, error
    answers = [json.loads(line)["top"] for line in out.splitlines()]
    assert len(answers) == len(paths)
    index = {name: at for at, name in enumerate(classes)}
    first = five = 0
    off = 0.0
    for probabilities, answer in zip(theirs, answers):
        wanted = probabilities.topk(5).indices.tolist()
        found = [index[guess["class"]] for guess in answer]
        first += found[0] != wanted[0]
        five += set(found) != set(wanted)
        off = max(off, *(abs(guess["probability"] - probabilities[at].item()) for at, guess in zip(found, answer)))
    figure = f"{first} first classes and {five} sets of five differ, probability within {off:.0e}"
    assert first == five == 0, f"{figure} on {len(paths)} photos"
    return f"{len(paths)} photos, {len(set(theirs.argmax(1).tolist()))} first classes: {figure}"


def trained(target, model, interpolation):
    code, _, error = run(PROGRAM, "convert", OURS, f"{target}.pth", "--to", target)
    assert code == 0, error
    model.load_state_dict(torch.load(f"{target}.pth", weights_only=True))
    transform = create_transform(96, interpolation=interpolation, crop_pct=96 / 110)
    flags = ["--resolution", 96, "--resize", 110, "--interpolation", interpolation]
    return compared(f"{target}.pth", model.eval(), transform, [str(number) for number in range(10)], flags)


def seeded(name, model, transform):
    images = prepared(paths[:: len(paths) // 20][:20], transform)
    torch.save(seasoned(model, images).state_dict(), f"{name}.pth")
    return compared(f"{name}.pth", model, transform, ImageNetInfo().label_names())


theirs = torchvision.models.mnasnet0_5(num_classes=10)
row("photos by a trained network, `--to torchvision`", VISION, lambda: trained("torchvision", theirs, "bilinear"))
theirs = timm.create_model("mnasnet_050", num_classes=10)
row("photos by a trained network, `--to timm`", TIMM, lambda: trained("timm", theirs, "bicubic"))
for name in ["mnasnet0_5", "mnasnet1_0"]:
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    row(f"photos by `{name}` `.pth`", VISION, lambda: seeded(name, torchvision.models.get_model(name), transform))
for name in ["mnasnet_small", "semnasnet_075"]:
    model = timm.create_model(name)
    transform = create_transform(**resolve_data_config({}, model=model))
    row(f"photos by `{name}` `.pth`", TIMM, lambda: seeded(name, model, transform))
sys.exit(bool(FAILED))
