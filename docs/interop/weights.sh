#!/usr/bin/env bash
# Weights of other programs in, and ours out to them: docs/interop/weights.sh MNASNET prints the table of docs/interop.md. It installs
# pinned packages of PyTorch and of MindSpore, or takes environments that have them: weights.sh MNASNET TORCH_VENV MINDSPORE_VENV.
# Weights are seeded, and the statistics of batch norm are measured. Photos are made, so that nothing is resized.
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
    "$torch/bin/pip" install --quiet torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 keras==3.15.1 h5py==3.16.0
fi
if [ -z "$mindspore" ]; then
    mindspore=$place/mindspore-venv
    python3.11 -m venv "$mindspore"
    "$mindspore/bin/pip" install --quiet mindspore==2.10.0 mindcv==0.3.0
fi
echo "| thing | other side | outcome | figure |"
echo "| --- | --- | --- | --- |"
failed=0
"$torch/bin/python" "$here/weights_torch.py" "$program" 2>errors || failed=1
GLOG_v=3 "$mindspore/bin/python" "$here/weights_mindcv.py" "$program" 2>>errors || failed=1
(( ! failed )) || tail -20 errors >&2
exit $failed
