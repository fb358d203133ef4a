"""Folds batch norm into the convolutions before it, as deployment tools do, and writes a plain state_dict in timm's names.

usage: fold.py OURS.safetensors FOLDED.safetensors     (needs numpy and safetensors)
"""

import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

source, target = sys.argv[1:]
with safe_open(source, "np") as file:
    epsilon = json.loads(file.metadata()["mnasnet"])["bn_epsilon"]
    names = [name for name in file.keys() if not name.startswith(("ema.", "optimizer."))]
    tensors = {name: file.get_tensor(name) for name in names}

for name in [name for name in tensors if name.endswith(".running_mean")]:
    norm = name.removesuffix(".running_mean")
    parent, _, last = norm.rpartition(".")
    # In timm's names: which convolutions bn1, bn2 and bn3 follow.
    if parent == "":
        order = ["conv_stem", "conv_head"]
    elif f"{parent}.conv_pwl.weight" in tensors:
        order = ["conv_pw", "conv_dw", "conv_pwl"]
    else:
        order = ["conv_dw", "conv_pw"]
    convolution = f"{parent}.{order[int(last[2:]) - 1]}.weight".lstrip(".")
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + epsilon)
    tensors[convolution] = tensors[convolution] * scale[:, None, None, None]
    tensors[f"{norm}.bias"] = tensors[f"{norm}.bias"] - tensors[name] * scale
    tensors[f"{norm}.weight"] = np.ones_like(scale)
    tensors[name] = np.zeros_like(scale)
    tensors[f"{norm}.running_var"] = np.full_like(scale, 1 - epsilon)

save_file({name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}, target)
