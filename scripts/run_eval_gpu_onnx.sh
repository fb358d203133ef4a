#!/usr/bin/env bash
# As MindSpore's script. The GPU build of ONNX Runtime computes: ORT_DYLIB_PATH says where its library is.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 2)) || usage "DATA_DIR ONNX_MODEL"
need_folder "$1" DATA_DIR
need_file "$2" ONNX_MODEL 4
logged eval.log "$program" eval-onnx --data "$1" --model "$2" --runtime onnxruntime --provider cuda
