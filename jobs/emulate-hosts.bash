# emulate-hosts: part of jobs/emulate: hosts and the links between them.
# Uses name, state, switch, subnet, hosts, group and, for `enter`, environment; sets nothing but files in state.
# shellcheck shell=bash disable=SC2154

# ---- links ---------------------------------------------------------------------------------------------------

link_shape() { # link_shape NAMESPACE DEVICE RATE
    local rate=$3 number burst
    if [ "$rate" = none ]; then
        tc -n "$1" qdisc del dev "$2" root 2>/dev/null || true
        return
    fi
    number=${rate%[kmg]bit}
    case $rate in
    *kbit) number=$((number * 1000)) ;;
    *mbit) number=$((number * 1000000)) ;;
    *gbit) number=$((number * 1000000000)) ;;
    esac
    # Tokens for 2 ms, so that a late timer costs no bandwidth, but no fewer than a large frame takes.
    burst=$((number * 21 / 80000))
    [ $burst -ge 16384 ] || burst=16384
    tc -n "$1" qdisc replace dev "$2" root tbf rate "$rate" burst $burst latency 100ms
}

link_set() { # link_set HOST RATE|down|up
    case $2 in
    down | up) ip -n "$switch" link set "port${1#"$name"}" "$2" ;;
    *)
        link_shape "$switch" "port${1#"$name"}" "$2" # what the host receives
        link_shape "$1" eth0 "$2"                    # what it sends
        echo "$2" >"$state/$1/link"
        return
        ;;
    esac
    echo "$2" >"$state/$1/cable"
}

link_check() { # link_check RATE
    [[ $1 = none || $1 =~ ^[1-9][0-9]{0,5}[kmg]bit$ ]] ||
        mistake "link $1: expected a rate such as 1gbit or 100mbit, or none"
}

# ---- hosts ---------------------------------------------------------------------------------------------------

namespace_make() { # namespace_make NAMESPACE
    echo "namespace $1" >>"$state/made"
    ip netns add "$1"
    ip -n "$1" link set lo up
    nsenter --net="/run/netns/$1" sh -c '
        echo reno >/proc/sys/net/ipv4/tcp_congestion_control
        [ ! -e /proc/sys/net/ipv6/conf/all/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
}

# A process that does nothing keeps the host's name, its /etc/hosts, shared memory and temporary folder.
host_start() { # host_start HOST
    local tries
    (
        echo "$BASHPID" >"$group/$1/cgroup.procs"
        # shellcheck disable=SC2016 # for that shell
        exec setsid nsenter --net="/run/netns/$1" unshare --uts --mount --ipc --propagation slave sh -eu -c '
            cd /
            hostname "$1"
            mount --bind "$2/hosts" /etc/hosts
            mount -t tmpfs -o mode=1777 tmpfs /dev/shm
            mount -t tmpfs -o mode=1777 tmpfs "$2/tmp"
            echo $$ >"$2/$1/holder"
            exec sleep infinity' holder "$1" "$state"
    ) </dev/null >/dev/null 2>>"$state/log" &
    for ((tries = 0; tries < 400; tries++)); do
        [ ! -s "$state/$1/holder" ] || return 0
        sleep 0.05
    done
    fail "$1 does not start: $(tail -n 1 "$state/log")"
}

host_make() { # host_make HOST NUMBER
    namespace_make "$1"
    ip link add "port$2" netns "$switch" type veth peer name eth0 netns "$1"
    ip -n "$switch" link set "port$2" master bridge up
    ip -n "$1" addr add "$subnet.$2/24" dev eth0
    ip -n "$1" link set eth0 up
    mkdir "$group/$1" "$state/$1"
    group_limit "$1" "$cpu"
    echo all >"$state/$1/cores"
    link_set "$1" "$link"
    echo up >"$state/$1/cable"
    host_start "$1"
}

host_check() { # host_check HOST...
    local host
    for host in "$@"; do
        [[ " ${hosts[*]} " = *" $host "* ]] || mistake "$host: no such host: there are ${hosts[*]}"
    done
}

host_kill() { # host_kill HOST
    rm -f "$state/$1/holder"
    group_end "$1"
}

# enter HOST COMMAND...: this process becomes COMMAND on HOST, in the same folder.
enter() {
    local host=$1 holder about cores
    shift
    holder=$(cat "$state/$host/holder" 2>/dev/null || true)
    grep -qx "${holder:-none}" "$group/$host/cgroup.procs" ||
        fail "$host is down: \`jobs/emulate start $host\` starts it"
    echo "$BASHPID" >"$group/$host/cgroup.procs"
    cores=$(cat "$state/$host/cores" 2>/dev/null || echo all) # the controller's host has none
    [ "$cores" = all ] || taskset -c -p "$cores" "$BASHPID" >/dev/null
    # Four cores, as a Pi has, in the eyes of Open MPI and Slurm; what they bind then is not bound for real.
    about=("EMULATE_NAME=$name" "TMPDIR=$state/tmp" "HWLOC_SYNTHETIC=pack:1 core:4 pu:1" HWLOC_THISSYSTEM=0
        OMP_WAIT_POLICY=passive)
    [ ! -d "$state/slurm" ] || about+=("SLURM_CONF=$state/slurm/slurm.conf")
    # shellcheck disable=SC2016 # for that shell
    exec nsenter --target "$holder" --net --uts --mount --ipc -- env "${environment[@]}" "${about[@]}" \
        sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" "$@"
}

switch_make() {
    namespace_make "$switch"
    ip -n "$switch" link add bridge type bridge
    ip -n "$switch" addr add "$subnet.254/24" dev bridge
    ip -n "$switch" link set bridge up
    mkdir "$group/$switch" "$state/$switch"
}
