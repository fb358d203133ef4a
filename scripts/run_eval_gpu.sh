#!/usr/bin/env bash
# As MindSpore's script, on the first GPU. More arguments go to `mnasnet eval`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage "DATASET_PATH CHECKPOINT [FLAGS of mnasnet eval]"
need_folder "$1" DATASET_PATH
need_file "$2" CHECKPOINT 4
logged eval.log "$program" eval --device_target GPU --data "$1" --weights "$2" "${@:3}"
