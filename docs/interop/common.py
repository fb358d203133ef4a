"""What the scripts of both environments share: photos, the program's answers, rows of the table."""

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS = 16
FAILED = []


def photos(folder, side):
    """Smooth noise of `side` pixels, so that neither resizing nor JPEG says anything; the bytes, [PHOTOS, side, side, 3]."""
    rng = np.random.default_rng(side)
    Path(folder).mkdir(exist_ok=True)
    pixels = []
    for number in range(PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        photo = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
        Image.fromarray(photo).save(f"{folder}/{number:02}.png")
        pixels.append(photo)
    return np.stack(pixels)


def inputs(pixels, side, mean, std):
    """The middle of the photos, normalised, [PHOTOS, 3, side, side]."""
    at = (pixels.shape[1] - side) // 2
    middle = pixels[:, at : at + side, at : at + side].astype(np.float64) / 255
    return ((middle - mean) / std).transpose(0, 3, 1, 2)


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def predicted(program, weights, folder, classes):
    """Probabilities by class name, a photo a row, and the names in the order of likelihood."""
    code, out, error = run(program, "predict", "--weights", weights, folder, "--top", classes, "--json", "--precision", "f32")
    if code:
        raise RuntimeError(error.strip())
    return [[(top["class"], top["probability"]) for top in json.loads(line)["top"]] for line in out.splitlines()]


def compare(program, weights, folder, logits, names):
    """The largest difference of a probability; an error where first classes or the five most likely differ."""
    exact = np.exp(logits - logits.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    worst = 0.0
    answers = predicted(program, weights, folder, len(names))
    assert len(answers) == len(exact)
    for row, answer in zip(exact, answers):
        order = [names[i] for i in np.argsort(-row)]
        assert answer[0][0] == order[0], f"first class {answer[0][0]}, not {order[0]}"
        assert {name for name, _ in answer[:5]} == set(order[:5]), "the five most likely differ"
        worst = max(worst, *(abs(value - row[names.index(name)]) for name, value in answer))
    assert worst < 2e-5, f"a probability is off by {worst:.1e}"
    return f"probability within {worst:.0e}"


def row(thing, other, figure):
    """Prints a row; `figure` computes what was seen."""
    try:
        print(f"| {thing} | {other} | as it should be | {figure()} |", flush=True)
    except Exception as error:
        FAILED.append(thing)
        print(f"| {thing} | {other} | **fails** | {type(error).__name__}: {str(error)[:300]} |", flush=True)
