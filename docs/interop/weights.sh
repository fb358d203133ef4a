#!/usr/bin/env bash
# Weights of other programs in, and ours out to them: docs/interop/weights.sh MNASNET prints the table of docs/interop.md. It installs
# pinned packages of PyTorch and of MindSpore, or takes environments that have them and a folder of photos:
# weights.sh MNASNET TORCH_VENV MINDSPORE_VENV PHOTOS. Weights are seeded, and the statistics of batch norm are measured. Photos are made,
# so that nothing is resized, but for the last rows: those take PHOTOS, or the photos of the sample, as evaluation takes them.
#
# Needs python3.11. Ends with 1 where a row is not as it should be.
photos=$(realpath "${4:-$(dirname "$0")/../../data/sample/val}")
source "$(dirname "$0")/begin.sh" "$1"
torch=$(environment torch "${2:-}" python3.11 "${TORCH[@]}")
mindspore=$(environment mindspore "${3:-}" python3.11 "${MINDSPORE[@]}")
echo "| thing | other side | outcome | figure |"
echo "| --- | --- | --- | --- |"
failed=0
"$torch/bin/python" "$here/weights_torch.py" "$program" 2>errors || failed=1
GLOG_v=3 "$mindspore/bin/python" "$here/weights_mindcv.py" "$program" 2>>errors || failed=1
trained b1 0.5
"$torch/bin/python" "$here/photos_torch.py" "$program" "$photos" b1.safetensors 2>>errors || failed=1
(( ! failed )) || tail -20 errors >&2
exit $failed
