# What the scripts beside it begin with. Sourced as begin.sh MNASNET: the program, the folder of the scripts, a fresh folder to work in, and
# the packages of the other programs.
set -euo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
sample=$(realpath "$here/../../data/sample")
cd "$place"
TORCH=(torch==2.15.0 torchvision==0.29.2 timm==1.0.31 transformers==5.24.0 webdataset==1.0.2 onnx==1.23.2 onnxscript==0.7.2
    onnxruntime==1.32.0 keras==3.15.1 h5py==3.16.0 pillow==13.0.0)
MINDSPORE=(mindspore==2.10.0 mindcv==0.3.0 pillow==13.0.0)

# environment NAME GIVEN PYTHON PACKAGE...: the folder of an environment, GIVEN or a new one.
environment() {
    local venv=${2:-$place/$1-venv}
    if [ -z "$2" ]; then
        "$3" -m venv "$venv"
        "$venv/bin/pip" install --quiet "${@:4}" >&2
    fi
    echo "$venv"
}

# trained VARIANT WIDTH: a network trained on the sample at 96 pixels, in VARIANT.safetensors.
trained() {
    "$program" train --quiet --data "$sample" --model "mnasnet-$1" --width "$2" --resolution 96 --batch-size 32 --epochs 16 --seed 1 \
        --out "$1" > told 2>&1 || { cat told >&2; return 1; }
    ln "$1/checkpoints/best.safetensors" "$1.safetensors"
}
