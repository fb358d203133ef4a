#!/usr/bin/env bash
# A state dict is a dict of tensors, so one would guess that a safetensors file of it gives the model back. torchvision 0.29.2's MNASNet
# refuses it: load_state_dict wants the version in the state dict's attribute _metadata, which only pickled files keep. The names and
# shapes are right, and strict=False does not help. A MobileNetV2 of the same torchvision takes a plain dict. With
# {"": {"version": 2}} as _metadata of an OrderedDict the MNASNet takes it too.
#
# Needs python3.11. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3.11 -m venv py
# PyTorch's wheel is the CUDA build, which wants CUDA's libraries on a processor too.
py/bin/pip install --quiet --no-deps torch==2.15.0 torchvision==0.29.2
py/bin/pip install --quiet filelock typing_extensions sympy networkx jinja2 fsspec numpy==2.4.6 pillow setuptools safetensors==0.8.0 \
    "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,cusparse,nvjitlink,nvrtc]==13.2.2" nvidia-cudnn-cu13==9.26.0.51 \
    nvidia-cusparselt-cu13==0.8.1 nvidia-nccl-cu13==2.30.7 nvidia-nvshmem-cu13==3.7.2
py/bin/python - <<'END'
from collections import OrderedDict

import torchvision
from safetensors.torch import load_file, save_file


def outcome(model, state, **how):
    try:
        return str(model.load_state_dict(state, **how))
    except ValueError as error:
        return f"ValueError: {error}"


seen = {}
for name in ("mnasnet0_5", "mobilenet_v2"):
    model = torchvision.models.get_model(name)
    save_file(model.state_dict(), f"{name}.safetensors")
    back = load_file(f"{name}.safetensors")
    seen[name] = outcome(model, back)
    if name == "mnasnet0_5":
        seen["strict=False"] = outcome(model, back, strict=False)
        versioned = OrderedDict(back)
        versioned._metadata = {"": {"version": 2}}
        seen["with a version"] = outcome(model, versioned)
for what, came in seen.items():
    print(f"torchvision {torchvision.__version__}, {what}: {came}")
refused = "ValueError: version should be set to 1 or 2 instead of None"
taken = "<All keys matched successfully>"
raise SystemExit(list(seen.values()) != [refused, refused, taken, taken])
END
