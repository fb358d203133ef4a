"""timm's reader of WebDataset on what `data pack` wrote, in `whole` and `small`: sets_timm.py SET. See sets.sh."""

import hashlib
import sys
from pathlib import Path

import timm
import webdataset
from common import FAILED, row
from PIL import Image
from timm.data import create_dataset, create_loader

SET = Path(sys.argv[1])
OTHER = f"timm {timm.__version__}, webdataset {webdataset.__version__}"
# timm calls the validation photos so by default.
FOLDERS = {"train": "train", "validation": "val", "val": "val"}


def digest(image):
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


def labels(split):
    """The label of each photo by its pixels, from the class folders."""
    classes = sorted(path.name for path in (SET / FOLDERS[split]).iterdir() if path.is_dir())
    paths = [(path, label) for label, name in enumerate(classes) for path in (SET / FOLDERS[split] / name).iterdir()]
    return [(digest(Image.open(path)), label) for path, label in paths]


def read(split):
    """Every photo once, with its label."""
    dataset = create_dataset("wds/", root="whole", split=split, is_training=False)
    found = sorted((digest(image), label) for image, label in dataset)
    assert found == sorted(labels(split)), f"{len(found)} photos, or their labels, are others"
    assert len(dataset) == len(found), f"the length is {len(dataset)}"
    return f"{len(found)} photos, each once, with the label of its folder"


def trained(workers):
    """An epoch as timm trains: shuffled, in batches, the last one made whole."""
    dataset = create_dataset("wds/", root="small", split="train", is_training=True, batch_size=16)
    how = {"is_training": True, "use_prefetcher": False, "num_workers": workers, "persistent_workers": False}
    loader = create_loader(dataset, input_size=(3, 64, 64), batch_size=16, **how)
    seen = [label for _, target in loader for label in target.tolist()]
    wanted = len(labels("train"))
    assert wanted <= len(seen) < wanted + 16 * max(workers, 1), f"{len(seen)} photos of {wanted}"
    classes = len(set(label for _, label in labels("train")))
    assert set(seen) == set(range(classes)), "a class is missing"
    return f"{len(seen)} photos of {wanted}, all {classes} classes"


for split in FOLDERS:
    row(f"`data pack`, `split={split}`", OTHER, lambda: read(split))
for workers in (0, 2):
    row(f"`data pack --short-side 96`, an epoch of training, {workers} workers", OTHER, lambda: trained(workers))
sys.exit(bool(FAILED))
