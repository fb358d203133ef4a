#!/usr/bin/env bash
# INT8 models in runtimes for phones: docs/interop/int8.sh MNASNET prints the table of docs/interop.md. It trains a small network on the
# sample, exports it in float32 and in INT8, and has MNN, ncnn and LiteRT run both on 50 photos. It installs pinned packages, or takes
# environments that have them: int8.sh MNASNET PHONE_VENV ONNX2TF_VENV.
#
# Needs python3.11 and python3.12. Ends with 1 where a row is not as docs/interop.md has it.
source "$(dirname "$0")/begin.sh" "$1"
phone=$(environment phone "${2:-}" python3.11 MNN==3.6.1 ncnn==1.0.20261020 pnnx==20261020 ai-edge-litert==2.3.0 \
    litert-quantizer==0.11.0 onnx==1.23.2 pillow==13.0.0)
onnx2tf=$(environment onnx2tf "${3:-}" python3.12 onnx2tf==2.6.9)
trained b1 0.5
export=("$program" export --quiet --weights b1.safetensors --batch 1)
"${export[@]}" -o f32.onnx
"${export[@]}" -o int8.onnx --precision int8 --calibrate "$sample"
mkdir photos calibration
for class in "$sample"/val/*; do
    name=$(basename "$class")
    for photo in $(ls "$class" | head -5); do cp "$class/$photo" "photos/$name-$photo"; done
    for photo in $(ls "$sample/train/$name" | head -10); do cp "$sample/train/$name/$photo" "calibration/$name-$photo"; done
done
echo "| model | other side | outcome | beside \`predict\` of the same model |"
echo "| --- | --- | --- | --- |"
# MNN and LiteRT print lines of their own.
PATH=$phone/bin:$PATH python "$here/int8.py" "$program" "$onnx2tf/bin/onnx2tf" 2>errors | grep '^|' || { tail -20 errors >&2; exit 1; }
