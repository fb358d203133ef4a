#!/usr/bin/env bash
# timm's push_to_hf_hub and save_for_hf write a folder of config.json and model.safetensors, and transformers opens timm's models by
# TimmWrapper. One would guess that transformers opens such a folder. transformers 5.24.0 refuses every folder that timm 1.0.31 writes:
# timm writes num_classes into model_args as well, and transformers hands the same name over twice ("got multiple values for keyword
# argument 'num_classes'"). timm itself opens the folder. Without model_args in config.json both open it.
#
# Needs python3.11. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3.11 -m venv py
py/bin/pip install --quiet torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0
HF_HUB_OFFLINE=1 py/bin/python - 2>errors <<'END' || { cat errors >&2; exit 1; }
import json

import timm
import torch
import transformers
from timm.models import save_for_hf
from transformers import AutoModelForImageClassification

images = torch.rand(1, 3, 64, 64)


def outcome(model):
    try:
        opened = AutoModelForImageClassification.from_pretrained("folder").eval()
    except TypeError as error:
        return str(error)
    return "the same logits" if torch.equal(opened(images).logits, model(images)) else "other logits"


as_told = True
for name in ("mnasnet_small", "resnet18"):
    model = timm.create_model(name, num_classes=6).eval()
    save_for_hf(model, "folder", safe_serialization=True)
    by_timm = torch.equal(timm.create_model("local-dir:folder", pretrained=True).eval()(images), model(images))
    with open("folder/config.json") as file:
        config = json.load(file)
    before = outcome(model)
    print(f"timm {timm.__version__}, {name}: model_args {config.pop('model_args')}; timm reads the same model: {by_timm}")
    with open("folder/config.json", "w") as file:
        json.dump(config, file)
    after = outcome(model)
    print(f"transformers {transformers.__version__}: {before}; without model_args: {after}")
    as_told &= by_timm and "multiple values for keyword argument 'num_classes'" in before and after == "the same logits"
raise SystemExit(not as_told)
END
