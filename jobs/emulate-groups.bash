# emulate-groups: part of jobs/emulate: the control groups that slow hosts down, version 1 or 2, whichever the system has.
# Uses name and state; group_find sets group_version, group_root and group, the folder of all hosts' groups.
# shellcheck shell=bash disable=SC2154

group_find() { # sets group_root, the folder the hosts' groups are made in, and group_version
    group_version=1
    group_root=$(cpu_groups_v1)
    if [ -z "$group_root" ]; then
        group_version=2
        group_root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
        grep -qsw cpu "$group_root/cgroup.controllers" ||
            fail "this system has no cpu control group (neither version 1 nor 2): hosts cannot be slowed down"
    fi
    group=$group_root/$name-emulate
}

group_make() {
    if [ "$group_version" = 2 ] && ! grep -qw cpu "$group_root/cgroup.subtree_control"; then
        echo "controller $group_root/cgroup.subtree_control" >>"$state/made"
        echo +cpu >"$group_root/cgroup.subtree_control"
    fi
    mkdir "$group"
    # Before anything else of the machine, as if the hosts were machines of their own.
    if [ "$group_version" = 2 ]; then
        echo +cpu >"$group/cgroup.subtree_control"
        echo 10000 >"$group/cpu.weight"
    else
        echo 262144 >"$group/cpu.shares"
    fi
}

# A host computes for a few milliseconds at a time and pauses for the rest.  The bursts are as long for every share,
# because caches are cold after each pause: so two thirds of a share are two thirds of the speed.  The periods of
# hosts differ by some percent, else the host whose burst always follows another's would be the slower one for good.
group_limit() { # group_limit HOST SHARE
    local quota=max period=100000
    if [ "$2" != none ]; then
        period=$(awk -v burst="${EMULATE_BURST_US:-4000}" -v share="$2" -v number="${1#"$name"}" 'BEGIN {
            turn = number * 0.618034
            period = burst / share * (0.95 + 0.1 * (turn - int(turn)))
            if (period * share < 1000) period = 1000 / share # the kernel deals out no less
            if (period < 2000) period = 2000
            if (period > 1000000) period = 1000000
            printf "%.0f", period
        }')
        quota=$(calculate "int($2 * $period + 0.5)")
    fi
    cpu_group_limit "$group_version" "$group/$1" "$quota" "$period"
    echo "$2" >"$state/$1/cpu"
}

group_end() { # group_end HOST: SIGKILL until nothing is left
    local folder=$group/$1 pids='' tries
    [ -d "$folder" ] || return 0
    for ((tries = 0; tries < 200; tries++)); do
        pids=$(find "$folder" -name cgroup.procs -exec cat {} +) # also of groups made within
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2>/dev/null || true
        sleep 0.05
    done
    fail "processes of $1 cannot be ended: ${pids//$'\n'/ }"
}

cpu_check() { # cpu_check SHARES...: whether the machine has that much
    local cores limit sum=0 share
    cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
    limit=$(calculate "0.8 * $cores")
    for share in "$@"; do
        [ "$share" != none ] || continue
        if ! is_number "$share" || holds "$share < 0.001"; then
            mistake "cpu $share: expected cores' worth of CPU, such as 0.25, or none"
        fi
        sum=$(calculate "$sum + $share")
    done
    ! holds "$sum > $limit + 1e-9" || mistake "the hosts' CPU would add up to $sum cores:" \
        "at most $limit (four fifths of this machine's $cores) keep their speed; take a smaller share or fewer hosts"
}
