"""Photos through a model exported --with-preprocessing, in ONNX Runtime, beside `mnasnet predict` on the weights.

usage: photos.py MODEL.onnx WEIGHTS PHOTOS [MNASNET]
"""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from PIL import Image

model, weights, photos = sys.argv[1:4]
mnasnet = sys.argv[4] if len(sys.argv) > 4 else "mnasnet"
loaded = onnx.load(model)
onnx.checker.check_model(loaded, full_check=True)
classes = json.loads({entry.key: entry.value for entry in loaded.metadata_props}["classes"])
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
command = [mnasnet, "predict", "--weights", weights, "--precision", "f32", "--json", "--top", str(len(classes)), photos]
worst, size, same, count = 0.0, 0.0, 0, 0
for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
    prediction = json.loads(line)
    pixels = np.asarray(Image.open(prediction["image"]).convert("RGB"))
    logits = session.run(None, {"photos": pixels[None]})[0][0].astype(np.float64)
    probability = {guess["class"]: guess["probability"] for guess in prediction["top"]}
    # Logarithms of probabilities are logits but for a constant.
    expected = np.log([probability[name] for name in classes])
    difference = (logits - logits.mean()) - (expected - expected.mean())
    worst, size = max(worst, np.abs(difference).max()), max(size, np.abs(logits).max())
    same += logits.argmax() == expected.argmax()
    count += 1
print(f"{count} photos: largest difference of the logits {worst:.2e} where they reach {size:.1f}, first class the same on {same}")
