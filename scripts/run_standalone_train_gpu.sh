#!/usr/bin/env bash
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 1 || $# == 2)) || usage "DATASET_PATH [CHECKPOINT]"
need_folder "$1" DATASET_PATH
if (($# == 2)); then need_file "$2" CHECKPOINT 4; fi
no_gpu run_standalone_train.sh 0 "$1" ${2:+--resume "$2"}
