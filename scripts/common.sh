# What the scripts share: the program, and checks of arguments. They run in the foreground, print to the terminal and to a log,
# wipe nothing, and end with the program's exit code.
set -euo pipefail

# The program: MNASNET, or one that was built here, or one on the path.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${MNASNET:-$project/target/release/mnasnet}
[[ -x $program ]] || program=$(command -v mnasnet) || {
    echo "error: no mnasnet: build it with 'cargo build --release', or say where it is by MNASNET=PATH" >&2
    exit 2
}

usage() {
    echo "usage: bash $0 $1" >&2
    exit 2
}

need_folder() {
    [[ -d $1 ]] || { echo "error: $2 $1 is not a folder" >&2; exit 3; }
}

need_file() {
    [[ -f $1 ]] || { echo "error: $2 $1 is not a file" >&2; exit "$3"; }
}

need_number() {
    [[ $1 =~ ^[0-9]+$ ]] || { echo "error: $2 is '$1', not a number" >&2; exit 2; }
}

# Runs a command with its output on the terminal and in a log that is begun anew; the log before is kept as LOG.old.
logged() {
    local log=$1
    shift
    if [[ -e $log ]]; then mv -- "$log" "$log.old"; fi
    "$@" 2>&1 | tee -- "$log"
}

# CUDA is not there yet: the scripts say so instead of training on something else.
no_gpu() {
    echo "error: $0 needs a GPU engine, which this program does not have yet; on CPUs: $1" >&2
    exit 2
}
