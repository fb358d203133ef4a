"""Holds the bytes that evaluation sees against those of Pillow, photo by photo.

pixels.py FOLDER: builds and runs the example `pixels`, and prints how many bytes differ. Needs Pillow; run in the project's folder."""

import subprocess
import sys
import tempfile

from PIL import Image

folder = sys.argv[1]
filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
wrong = 0
for resize, side, name in [(256, 224, "bilinear"), (256, 224, "bicubic"), (146, 128, "bilinear"), (73, 64, "bicubic"), (600, 512, "bicubic")]:
    with tempfile.NamedTemporaryFile() as out:
        command = ["cargo", "run", "--release", "--locked", "--quiet", "-p", "mnasnet-data", "--example", "pixels", "--"]
        command += [folder, str(resize), str(side), name, out.name]
        names = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        ours = out.read()
    size = side * side * 3
    assert len(ours) == size * len(names), "a photo could not be read"
    differing = 0
    for index, photo in enumerate(names):
        image = Image.open(photo).convert("RGB")
        width, height = image.size
        # As torchvision's Resize: the longer side is cut down to a whole number.
        short, long = min(width, height), max(width, height)
        scaled = int(resize * long / short)
        image = image.resize((resize, scaled) if width <= height else (scaled, resize), filters[name])
        left, top = round((image.width - side) / 2), round((image.height - side) / 2)
        theirs = image.crop((left, top, left + side, top + side)).tobytes()
        differing += sum(a != b for a, b in zip(ours[index * size : (index + 1) * size], theirs))
    print(f"{name} to {resize}, the middle {side}: {differing} of {len(ours)} bytes differ, {len(names)} photos")
    wrong += differing
sys.exit(wrong > 0)
