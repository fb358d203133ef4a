#!/usr/bin/env bash
# As MindSpore's script, whose first argument is a table of devices: here a hostfile of `mpirun` (lines "HOST slots=RANKS"), or the
# number of ranks on this machine. Rank 0 logs, so there is one train_parallel0/log.txt. More arguments go to `mnasnet train`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
(($# >= 2)) || usage "HOSTFILE|RANKS DATA_DIR [SETTINGS of mnasnet train]"
need_folder "$2" DATA_DIR
command -v mpirun >/dev/null || { echo "error: no mpirun: install Open MPI or MPICH" >&2; exit 2; }
if [[ $1 =~ ^[1-9][0-9]*$ ]]; then
    ranks=(-n "$1")
else
    need_file "$1" HOSTFILE 2
    ranks=(--hostfile "$1")
fi
# mpirun of Open MPI 4 passes no signal on once it has looked at an OpenCL driver for processors.
export HWLOC_COMPONENTS=${HWLOC_COMPONENTS--opencl}
mkdir -p train_parallel0
keep train_parallel0/env.log
env | sort >train_parallel0/env.log
recipe_beside "${@:3}"
logged train_parallel0/log.txt mpirun "${ranks[@]}" "$program" train "${recipe[@]}" --data "$2" "${@:3}"
