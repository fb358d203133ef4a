#!/usr/bin/env bash
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 3 || $# == 4)) || usage "DEVICE_NUM VISIBLE_DEVICES(0,1,...) DATASET_PATH [CHECKPOINT]"
need_number "$1" DEVICE_NUM
[[ $2 =~ ^[0-9]+(,[0-9]+)*$ ]] || { echo "error: VISIBLE_DEVICES is '$2', not numbers with commas between" >&2; exit 2; }
need_folder "$3" DATASET_PATH
if (($# == 4)); then need_file "$4" CHECKPOINT 4; fi
no_gpu run_distribute_train.sh "$1" "$3" ${4:+--resume "$4"}
