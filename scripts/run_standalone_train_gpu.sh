#!/usr/bin/env bash
# As MindSpore's script, on the first GPU. More arguments go to `mnasnet train`: `--device gpu:1` takes another GPU.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 1)) || usage "DATASET_PATH [CHECKPOINT] [SETTINGS of mnasnet train]"
need_folder "$1" DATASET_PATH
take_checkpoint "${@:2}"
logged train.log "$program" train "${recipe[@]}" --device_target GPU --data "$1" "${resume[@]}" "${more[@]}"
