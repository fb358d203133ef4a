#!/usr/bin/env bash
# Runs a command in the first of several network namespaces that stand for machines: each has an address of its own, 10.77.0.1 and on,
# and a link that `tc` shapes. Needs root, iproute2 and Open MPI; no SSH, no other machine. For example
#
#   scripts/namespaces.sh 2 tbf rate 1gbit burst 256kb latency 50ms -- mnasnet train --data photos
#
# starts one rank in each of two, over links of 1 Gb/s (where the kernel has it, `netem rate 1gbit delay 1ms` adds latency). While it runs, `ip -n mnasnet-1 link set eth0 down` unplugs the second.
set -euo pipefail
(($# >= 3)) && [[ $1 =~ ^[1-9][0-9]*$ ]] || { echo "usage: bash $0 COUNT [QDISC ...] -- COMMAND ..." >&2; exit 2; }
count=$1
shift
shape=()
while (($#)) && [[ $1 != -- ]]; do
    shape+=("$1")
    shift
done
shift

work=$(mktemp -d)
down() {
    for ((i = 0; i < count; i++)); do ip netns del "mnasnet-$i" 2>/dev/null || true; done
    ip netns del mnasnet-hub 2>/dev/null || true
    rm -rf "$work"
}
trap down EXIT
ip netns add mnasnet-hub
ip -n mnasnet-hub link add bridge type bridge
ip -n mnasnet-hub link set bridge up
for ((i = 0; i < count; i++)); do
    ip netns add "mnasnet-$i"
    ip -n "mnasnet-$i" link set lo up
    ip -n "mnasnet-$i" link add eth0 type veth peer name "port$i" netns mnasnet-hub
    ip -n "mnasnet-$i" addr add "10.77.0.$((i + 1))/24" dev eth0
    ip -n "mnasnet-$i" link set eth0 up
    # A link that is gone is given up after seconds, not after a quarter of an hour.
    ip netns exec "mnasnet-$i" sysctl -q -w net.ipv4.tcp_retries2=4
    ip -n mnasnet-hub link set "port$i" master bridge up
    if ((${#shape[@]})); then ip netns exec "mnasnet-$i" tc qdisc add dev eth0 root "${shape[@]}"; fi
    echo "10.77.0.$((i + 1)) slots=1" >>"$work/hostfile"
done

# What mpirun calls instead of ssh: HOST COMMAND. A host has a name and temporary files of its own.
cat >"$work/agent" <<'AGENT'
#!/usr/bin/env bash
number=$((${1##*.} - 1))
shift
tmp=$(dirname "$0")/$number
mkdir -p "$tmp"
exec ip netns exec "mnasnet-$number" unshare --uts sh -c "hostname mnasnet-$number; export TMPDIR=$tmp; $*"
AGENT
chmod +x "$work/agent"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Not exec: the trap has to run.
"$work/agent" 10.77.0.1 "exec mpirun --hostfile $work/hostfile --bind-to none --mca plm_rsh_agent $work/agent \
    --mca oob_tcp_if_include eth0 --mca btl_tcp_if_include eth0 --mca btl self,tcp \
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 -n $count $(printf '%q ' "$@")"
