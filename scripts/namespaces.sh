#!/usr/bin/env bash
# Runs a command in the first of several network namespaces that stand for machines: each has an address of its own, 10.77.0.1 and on,
# and a link that `tc` shapes. Needs root, iproute2 and Open MPI; no SSH, no other machine. For example
#
#   NAMESPACES=demo scripts/namespaces.sh 2 tbf rate 1gbit burst 256kb latency 50ms -- mnasnet train --data photos
#
# starts one rank in each of two, over links of 1 Gb/s (where the kernel has it, `netem rate 1gbit delay 1ms` adds latency). While it
# runs, `ip -n demo-1 link set eth0 down` unplugs the second. Without NAMESPACES the names carry the number of this process, so that
# any number of these run at once. SIGTERM, Ctrl-C and SIGUSR1 are passed on to mpirun; whatever the end, the namespaces go.
set -euo pipefail
usage() {
    echo "usage: [NAMESPACES=NAME] bash $0 COUNT [QDISC ...] -- COMMAND ..." >&2
    exit 2
}
(($# >= 3)) && [[ $1 =~ ^[1-9][0-9]{0,2}$ ]] && (($1 <= 250)) || usage
count=$1
shift
shape=()
while (($#)) && [[ $1 != -- ]]; do
    shape+=("$1")
    shift
done
(($# >= 2)) || usage
shift
name=${NAMESPACES:-mnasnet-$$}
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9-]*$ ]] || { echo "error: NAMESPACES is '$name': letters, digits and - only" >&2; exit 2; }
for program in ip tc mpirun unshare; do
    command -v "$program" >/dev/null || { echo "error: no $program: install iproute2, util-linux and Open MPI" >&2; exit 2; }
done
[[ $(id -u) == 0 ]] || { echo "error: network namespaces need root" >&2; exit 2; }

work=$(mktemp -d)
made=()
mpirun=
down() {
    if [[ $mpirun ]]; then
        kill -TERM "$mpirun" 2>/dev/null && wait "$mpirun" || true
    fi
    for namespace in "${made[@]}"; do ip netns del "$namespace" 2>/dev/null || true; done
    rm -rf "$work"
}
trap down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'if [[ $mpirun ]]; then kill -USR1 "$mpirun"; fi' USR1
add() {
    ip netns add "$1" || { echo "error: no namespace $1: is another run using that name?" >&2; exit 2; }
    made+=("$1")
}
add "$name-hub"
ip -n "$name-hub" link add bridge type bridge
ip -n "$name-hub" link set bridge up
for ((i = 0; i < count; i++)); do
    add "$name-$i"
    ip -n "$name-$i" link set lo up
    ip -n "$name-$i" link add eth0 type veth peer name "port$i" netns "$name-hub"
    ip -n "$name-$i" addr add "10.77.0.$((i + 1))/24" dev eth0
    ip -n "$name-$i" link set eth0 up
    # A link that is gone is given up after seconds, not after a quarter of an hour.
    ip netns exec "$name-$i" sysctl -q -w net.ipv4.tcp_retries2=4
    ip -n "$name-hub" link set "port$i" master bridge up
    if ((${#shape[@]})); then ip netns exec "$name-$i" tc qdisc add dev eth0 root "${shape[@]}"; fi
    echo "10.77.0.$((i + 1)) slots=1" >>"$work/hostfile"
done

# What mpirun calls instead of ssh: HOST COMMAND. A host has a name and temporary files of its own.
cat >"$work/agent" <<AGENT
#!/usr/bin/env bash
number=\$((\${1##*.} - 1))
shift
tmp=$work/\$number
mkdir -p "\$tmp"
exec ip netns exec "$name-\$number" unshare --uts bash -c "hostname $name-\$number; export TMPDIR=\$tmp; \$*"
AGENT
chmod +x "$work/agent"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# mpirun of Open MPI 4 passes no signal on once it has looked at an OpenCL driver for processors.
export HWLOC_COMPONENTS=${HWLOC_COMPONENTS--opencl}
# Beside this shell, so that its traps run at once.
"$work/agent" 10.77.0.1 "exec mpirun --hostfile $work/hostfile --bind-to none --mca plm_rsh_agent $work/agent \
    --mca oob_tcp_if_include eth0 --mca btl_tcp_if_include eth0 --mca btl self,tcp \
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 -n $count $(printf '%q ' "$@")" &
mpirun=$!
# A signal that is passed on ends the wait, not mpirun.
while :; do
    code=0
    wait "$mpirun" || code=$?
    kill -0 "$mpirun" 2>/dev/null && continue
    # It may have ended while the signal was passed on.
    again=0
    wait "$mpirun" 2>/dev/null || again=$?
    ((again == 127)) || code=$again
    break
done
mpirun=
exit "$code"
