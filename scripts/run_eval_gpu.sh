#!/usr/bin/env bash
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# == 2)) || usage "DATASET_PATH CHECKPOINT"
need_folder "$1" DATASET_PATH
need_file "$2" CHECKPOINT 4
no_gpu run_eval.sh 0 "$1" "$2"
