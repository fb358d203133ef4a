#!/usr/bin/env bash
# Models of other programs in ONNX, in: docs/interop/onnx.sh MNASNET prints the table of docs/interop.md. It installs pinned packages of
# PyTorch and of MindSpore, or takes environments that have them: onnx.sh MNASNET TORCH_VENV MINDSPORE_VENV.
# Weights are seeded. Photos are made, so that nothing is resized.
#
# Needs python3.11. Ends with 1 where a row is not as it should be.
set -euo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
torch=${2:-}
mindspore=${3:-}
if [ -z "$torch" ]; then
    torch=$place/torch-venv
    python3.11 -m venv "$torch"
    "$torch/bin/pip" install --quiet torch==2.15.0 torchvision==0.29.2 timm==1.0.31 onnx==1.23.2 onnxscript==0.7.2 \
        onnxruntime==1.32.0 keras==3.15.1 pillow==13.0.0
fi
if [ -z "$mindspore" ]; then
    mindspore=$place/mindspore-venv
    python3.11 -m venv "$mindspore"
    "$mindspore/bin/pip" install --quiet mindspore==2.10.0 mindcv==0.3.0
fi
GLOG_v=3 "$mindspore/bin/python" - > errors 2>&1 <<'END'
import mindcv
import mindspore as ms
import numpy as np

ms.set_seed(1)
net = mindcv.create_model("mnasnet_050", num_classes=10)
net.set_train(False)
ms.export(net, ms.Tensor(np.zeros((1, 3, 96, 96), np.float32)), file_name="mindcv-mnasnet_050", file_format="ONNX")
END
"$torch/bin/python" "$here/onnx_torch.py" "$program" "$place/models" mindcv-mnasnet_050.onnx 2>> errors || { tail -20 errors >&2; exit 1; }
