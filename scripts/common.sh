# What the scripts share: the program, and checks of arguments. They run in the foreground, print to the terminal and to a log,
# wipe nothing, and end with the program's exit code.
set -euo pipefail

is_program() {
    [[ -f $1 && -x $1 ]]
}

# The program: MNASNET, or one that was built here, or one on the path.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${MNASNET:-$project/target/release/mnasnet}
if ! is_program "$program"; then
    [[ ${MNASNET:-} ]] && { echo "error: MNASNET is '$MNASNET', not a program" >&2; exit 2; }
    program=$(command -v mnasnet) || {
        echo "error: no mnasnet: build it with 'cargo build --release', or say where it is by MNASNET=PATH" >&2
        exit 2
    }
fi

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

# The recipe that `mnasnet train` is given beside the arguments; a run that they take up has settings of its own.
recipe_beside() {
    local all=" $* "
    if [[ $all =~ ' --resume'[=\ ] && ! $all =~ ' --resume'[=\ ](auto|never)' ' ]]; then recipe=(); else recipe=(--config mindspore); fi
}

# Makes room for a log that is begun anew: the ones before stay as LOG.1, LOG.2, ...
keep() {
    local number=1
    [[ -e $1 ]] || return 0
    while [[ -e $1.$number ]]; do number=$((number + 1)); done
    mv -- "$1" "$1.$number"
}

# Runs a command with its output on the terminal and in a log. Ctrl-C is the command's to answer, and still logged.
logged() {
    local log=$1
    shift
    keep "$log"
    "$@" 2>&1 | tee -i -- "$log"
}

# MindSpore's optional CHECKPOINT in front of more arguments: what the run takes up, and the rest.
take_checkpoint() {
    resume=() more=("$@")
    if (($# > 0)) && [[ $1 != --* ]]; then
        need_file "$1" CHECKPOINT 4
        resume=(--resume "$1") more=("${@:2}")
    fi
    recipe_beside "${resume[@]}" "${more[@]}"
}
