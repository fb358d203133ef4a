#!/usr/bin/env bash
# Sets that `data pack` writes, read by timm: docs/interop/sets.sh MNASNET prints the table of docs/interop.md. It installs pinned packages,
# or takes an environment that has them and a set of class folders: sets.sh MNASNET TORCH_VENV SET. The default is the sample.
#
# Needs python3.11. Ends with 1 where a row is not as it should be.
set=$(realpath "${3:-$(dirname "$0")/../../data/sample}")
source "$(dirname "$0")/begin.sh" "$1"
torch=$(environment torch "${2:-}" python3.11 "${TORCH[@]}")
"$program" data pack "$set" whole --shard-size 100 2>errors
"$program" data pack "$set" small --shard-size 100 --short-side 96 2>>errors
echo "| thing | other side | outcome | figure |"
echo "| --- | --- | --- | --- |"
"$torch/bin/python" "$here/sets_timm.py" "$set" 2>>errors || { tail -20 errors >&2; exit 1; }
