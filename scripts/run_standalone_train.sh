#!/usr/bin/env bash
# As MindSpore's script: DEVICE_ID is ignored on CPUs (run_standalone_train_gpu.sh takes a GPU). More arguments go to `mnasnet train`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage "DEVICE_ID DATA_DIR [SETTINGS of mnasnet train]"
need_number "$1" DEVICE_ID
need_folder "$2" DATA_DIR
recipe_beside "${@:3}"
logged log.txt "$program" train "${recipe[@]}" --data "$2" "${@:3}"
