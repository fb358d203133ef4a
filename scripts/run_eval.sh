#!/usr/bin/env bash
# As MindSpore's script; DEVICE_ID is ignored on CPUs (run_eval_gpu.sh takes a GPU). More arguments go to `mnasnet eval`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 3)) || usage "DEVICE_ID DATA_DIR CHECKPOINT [FLAGS of mnasnet eval]"
need_number "$1" DEVICE_ID
need_folder "$2" DATA_DIR
need_file "$3" CHECKPOINT 4
logged eval.log "$program" eval --data "$2" --weights "$3" "${@:4}"
