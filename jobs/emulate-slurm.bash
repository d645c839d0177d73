# shellcheck shell=bash disable=SC2154
# emulate-slurm.bash - the private Slurm of jobs/emulate, which reads this file

slurm_start() {
    local slurm=$state/slurm host
    mkdir -m 755 "$slurm" "$slurm/state" "$slurm/nodes"
    # /tmp is shared by all hosts, and there the nodes would find each other's folders.
    echo "PMIxCliTmpDirBase=$state/tmp" >"$slurm/mpi.conf"
    dd if=/dev/urandom of="$slurm/munge.key" bs=1024 count=1 status=none
    chmod 400 "$slurm/munge.key"
    cat >"$slurm/slurm.conf" <<END
ClusterName=$name
SlurmctldHost=$switch($subnet.254)
AuthType=auth/munge
AuthInfo=socket=$slurm/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$state/tmp/slurmd
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/nodes/%n.pid
SlurmctldLogFile=$slurm/slurmctld.log
SlurmdLogFile=$slurm/nodes/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$slurm/jobcomp
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
JobRequeue=1
NodeName=${name}[1-${#hosts[@]}] CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    host_start "$switch" # the controller's host, faster than the others
    slurm_daemon "$switch" munged --key-file="$slurm/munge.key" --socket="$slurm/munge.socket" --foreground \
        --pid-file="$slurm/munge.pid" --log-file="$slurm/munge.log" --seed-file="$slurm/munge.seed"
    slurm_daemon "$switch" slurmctld -D
    for host in "${hosts[@]}"; do slurm_node "$host"; done
    slurm_wait
}

slurm_daemon() { # slurm_daemon HOST COMMAND...
    (enter "$1" setsid env --default-signal "${@:2}") </dev/null >/dev/null 2>>"$state/log" &
}

slurm_node() { # slurm_node HOST: a slurmd among processes of its own, whose first one collects the orphans
    slurm_daemon "$1" unshare --pid --mount --fork --kill-child --mount-proc bash -c 'slurmd -D & wait $!'
}

slurm_wait() {
    local tries states
    for ((tries = 0; tries < 300; tries++)); do
        states=$( (enter "$switch" sinfo --noheader --format=%T) 2>/dev/null || true)
        [ "$states" != idle ] || return 0
        sleep 0.1
    done
    fail "Slurm does not start (${states:-no answer}): $(tail -n 1 "$state/slurm/slurmctld.log" 2>&1)"
}
