#!/usr/bin/env bash
# Models of other programs in ONNX, in: docs/interop/onnx.sh MNASNET prints the table of docs/interop.md. It installs pinned packages of
# PyTorch and of MindSpore, or takes environments that have them and a folder of photos: onnx.sh MNASNET TORCH_VENV MINDSPORE_VENV PHOTOS.
# The default is the validation photos of the sample. Weights are seeded, and the statistics of batch norm are measured.
#
# Needs python3.11. Ends with 1 where a row is not as it should be.
photos=$(realpath "${4:-$(dirname "$0")/../../data/sample/val}")
source "$(dirname "$0")/begin.sh" "$1"
torch=$(environment torch "${2:-}" python3.11 "${TORCH[@]}")
mindspore=$(environment mindspore "${3:-}" python3.11 "${MINDSPORE[@]}")
told() {
    tail -20 errors >&2
    exit 1
}
GLOG_v=3 "$mindspore/bin/python" "$here/onnx_mindcv.py" > errors 2>&1 || told
"$torch/bin/python" "$here/onnx_torch.py" "$program" models "$photos" mnasnet_050.onnx mnasnet_100.onnx 2>> errors || told
