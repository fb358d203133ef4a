#!/usr/bin/env bash
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 2)) || usage "DATA_DIR ONNX_MODEL"
need_folder "$1" DATA_DIR
need_file "$2" ONNX_MODEL 4
no_gpu run_eval_onnx.sh "$1" "$2"
