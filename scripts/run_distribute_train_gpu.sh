#!/usr/bin/env bash
# As MindSpore's script: DEVICE_NUM ranks on this machine, each on a GPU of VISIBLE_DEVICES, which are the numbers that `mnasnet
# devices` lists. Rank 0 logs, into train/train.log. More arguments go to `mnasnet train`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 3)) || usage "DEVICE_NUM VISIBLE_DEVICES(0,1,...) DATASET_PATH [CHECKPOINT] [SETTINGS of mnasnet train]"
need_number "$1" DEVICE_NUM
[[ $2 =~ ^[0-9]+(,[0-9]+)*$ ]] || { echo "error: VISIBLE_DEVICES is '$2', not numbers with commas between" >&2; exit 2; }
IFS=, read -ra devices <<<"$2"
(($1 >= 1 && $1 <= ${#devices[@]})) || {
    echo "error: DEVICE_NUM is $1, and VISIBLE_DEVICES names ${#devices[@]}: each rank has a GPU of its own" >&2
    exit 2
}
need_folder "$3" DATASET_PATH
take_checkpoint "${@:4}"
command -v mpirun >/dev/null || { echo "error: no mpirun: install Open MPI or MPICH" >&2; exit 2; }
# mpirun of Open MPI 4 passes no signal on once it has looked at an OpenCL driver for processors.
export HWLOC_COMPONENTS=${HWLOC_COMPONENTS--opencl}
mkdir -p train
logged train/train.log mpirun -n "$1" "$program" train "${recipe[@]}" --device "gpu:$2" --data "$3" "${resume[@]}" "${more[@]}"
