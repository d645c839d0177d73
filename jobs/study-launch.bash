# study-launch: part of jobs/study: how a run is started, here, over hosts, in Slurm, and ended.
# shellcheck shell=bash disable=SC2034,SC2154 # names of jobs/study's

# ---- hosts -----------------------------------------------------------------------------------------------

is_this_machine() { # HOST
    local address
    case ${1#*@} in localhost | "$(uname -n)" | "$(uname -n | sed 's/\..*//')") return ;; esac
    address=$(getent ahosts "${1#*@}" | awk 'NR == 1 { print $1 }')
    [ -n "$address" ] && [[ $address = 127.* || " $(hostname -I 2>/dev/null) " = *" $address "* ]]
}

look_there() { # HOST
    local program=$bramble
    [[ $program = /* ]] || program=$work/$program
    is_this_machine "$1" || look "$1" "$program"
}

# What mpirun calls to reach other hosts, as the environment and Open MPI's files set it; sets ssh.
take_agent() {
    local about agent args
    about=$(ompi_info --parsable --level 9 --param plm rsh 2>/dev/null) || about=''
    agent=$(sed -n 's/^mca:plm:rsh:param:plm_rsh_agent:value://p' <<<"$about" | tr -d '"')
    read -r -a args <<<"$(sed -n 's/^mca:plm:rsh:param:plm_rsh_args:value://p' <<<"$about" | tr -d '"')"
    agent=${agent:-${OMPI_MCA_plm_rsh_agent:-ssh : rsh}}
    [ "$agent" = 'ssh : rsh' ] || read -r -a ssh <<<"${agent%% : *}"
    ssh=(timeout --foreground 60 "${ssh[@]}" "${args[@]}")
}

# Before the first run: all hosts that it takes must answer and have the program.  Within a job Slurm starts what runs
# there, and ssh need not work.
check_hosts() {
    local i host n n_bad=0 most=0 n_jobs=8
    [ "$where" = hostfile ] && [ -z "${SLURM_JOB_ID:-}" ] || return 0
    for i in "${order[@]}"; do
        n=$((run_nodes[i] + 1 - shared_server))
        [ "${run_state[i]}" != waiting ] || [ $n -gt ${#host_names[@]} ] || [ $n -le $most ] || most=$n
    done
    hosts=("${host_names[@]:0:most}")
    take_agent
    each_host look_there
    for host in "${hosts[@]}"; do
        [ -s "$scratch/$host.failed" ] || continue
        say "study: $host: $(cat "$scratch/$host.failed")"
        n_bad=$((n_bad + 1))
    done
    [ $n_bad = 0 ] || fail "nothing is run: $n_bad of ${#hosts[@]} hosts cannot take part; put it right and say the same" \
        "once more (jobs/deploy --check looks at all of them)"
}

# ---- one run ---------------------------------------------------------------------------------------------

# Sets the options of bramble train for run I: train.
prepare_train() { # I
    local n=${run_nodes[$1]} c=${run_cores[$1]} file=$folder/${run_name[$1]}.h5
    threads=$(((c + n - 1) / n))
    cap=''
    [ $((c % n)) = 0 ] || cap=$(awk -v c="$c" -v n="$n" 'BEGIN { printf "%.4f", c / n }')
    if [ "$where" = emulate ]; then
        threads=1 cap=''
    fi
    mapfile -t train <<<"${run_options[$1]%$'\n'}"
    [ -n "${run_options[$1]}" ] || train=()
    train=("$bramble" train "${train[@]}" "--seed=${run_seed[$1]}" "--threads=$threads" "--out=$file")
    [ -z "$has_case" ] || train+=("--case=$n:$c")
    [ ! -e "$file" ] || train+=(--force) # a run that did not come to its end
    [ -z "$cap" ] || train=("$home/jobs/capped" --workers "$cap" "${train[@]}")
}

# Why case N:C cannot be run here; empty when it can.
obstacle() { # I
    local n=${run_nodes[$1]} c=${run_cores[$1]} hosts
    hosts=$((n + 1 - shared_server))
    if [[ "$where" = hostfile || $where = emulate ]] && [ "$hosts" -gt ${#host_names[@]} ]; then
        echo "it needs $hosts hosts, and there are ${#host_names[@]}"
    elif [ "$where" != emulate ] && [ $((c % n)) != 0 ]; then
        echo "$no_cap"
    fi
}

prepare_mpirun() { # I; sets command
    local n=${run_nodes[$1]} k
    command=(mpirun)
    [ "$supervise" = 0 ] || command=("$home/jobs/supervise" mpirun)
    [ "$(id -u)" != 0 ] || command+=(--allow-run-as-root)
    [ -z "$interface" ] || command+=(--mca btl_tcp_if_include "$interface" --mca oob_tcp_if_include "$interface")
    if [ "$where" = local ]; then
        command+=(--oversubscribe --bind-to none)
    else
        local slots=$((1 + shared_server)) lines=() file=$folder/.hosts-$((n + 1 - shared_server))
        for ((k = 0; k < n + 1 - shared_server; k++)); do
            lines+=("${host_names[k]} slots=$slots")
            slots=1
        done
        [ "$dry_run" = 1 ] || printf '%s\n' "${lines[@]}" >"$file"
        hosts_line="$(shell_words printf '%s\n' "${lines[@]}") >$(shell_words "$file")"
        command+=(--hostfile "$file")
        if [ "$shared_server" = 1 ] || [ "$where" = emulate ]; then
            command+=(--map-by slot --oversubscribe --bind-to none)
        else
            command+=(--map-by "ppr:1:node:pe=$threads")
        fi
    fi
    command+=(-n $((n + 1)) "${train[@]}")
    [ "$where" != emulate ] || command=("$home/jobs/emulate" run "${command[@]}")
}

# A core that is idle goes to sleep, and who wakes it up computes slowly at first: one worker would be slower than
# three.  So something that makes way for everybody keeps it awake; sets awake.
keep_awake() {
    taskset -c $(($(nproc) - 1)) setpriv --pdeathsig KILL chrt --idle 0 \
        awk 'BEGIN { for (;;) n++ }' </dev/null >/dev/null 2>&1 &
    awake=$!
}

prepare_sbatch() { # I LOG; sets command, which reads the script on stdin
    command=(sbatch --parsable "--output=${folder//%/%%}/${run_name[$1]}.log" --open-mode=append "${sbatch_options[@]}")
}

print_command() { # I: for --dry-run, with what it needs
    if [ "$where" = slurm ]; then
        echo "$(shell_words "${command[@]}") <<'END'"
        write_batch "$1"
        echo END
        return
    fi
    [ "$hosts_line" = "$hosts_told" ] || echo "$hosts_line"
    hosts_told=$hosts_line
    shell_words "${command[@]}"
}
hosts_line='' hosts_told='' # the hostfile as a shell makes it

emulate() { # WORDS; with --dry-run its words
    if [ "$dry_run" = 1 ]; then shell_words "$home/jobs/emulate" "$@"; else "$home/jobs/emulate" "$@"; fi
}

# Give the emulated hosts their shares for case N:C; prints why it cannot be, if it cannot.
share_hosts() { # N C
    local share rest last=$(($(nproc) - 1)) workers_on=all server_on=all
    share=$(awk -v n="$1" -v c="$2" -v s="$core" 'BEGIN { printf "%.4f", s * c / n }')
    if awk -v s="$share" 'BEGIN { exit !(s > 1) }'; then
        echo "a worker has one thread, which cannot use $share cores; take a smaller --core"
        return 1
    fi
    rest=("${host_names[@]:1:$1}")
    # What else the machine has to do may slow one core more than another.  So the workers take turns on one where
    # they fit, and none is the slower one.
    if [ "$last" -gt 0 ] && awk -v s="$share" -v n="$1" 'BEGIN { exit s * n > 0.8 }'; then
        workers_on=$last server_on=0-$((last - 1))
    fi
    # All small first: at no moment may they add up to more than the machine has.
    emulate cores "$server_on" "${host_names[0]}" && emulate cores "$workers_on" "${rest[@]}" &&
        emulate cpu 0.002 && emulate cpu "$server_core" "${host_names[0]}" && emulate cpu "$share" "${rest[@]}"
}

write_batch() { # I; a batch script for sbatch on stdout
    local n=${run_nodes[$1]} srun status=$folder/.${run_name[$1]}.status
    echo '#!/bin/bash'
    echo "#SBATCH --job-name=${run_name[$1]} --nodes=$((n + 1 - shared_server)) --ntasks=$((n + 1))"
    echo "#SBATCH --cpus-per-task=$threads --exclusive --no-requeue"
    if [ "$shared_server" = 1 ]; then
        echo "#SBATCH --overcommit"
        srun=(srun --mpi=pmix --kill-on-bad-exit=1 --overcommit --distribution=cyclic --cpu-bind=none)
    else
        echo "#SBATCH --ntasks-per-node=1"
        srun=(srun --mpi=pmix --kill-on-bad-exit=1 "--cpus-per-task=$threads" --cpu-bind=cores)
    fi
    cat <<END
cd ${work@Q} || exit 1
$(shell_words "${srun[@]}" "${train[@]}") &
wait \$!
status=\$?
echo \$status >${status@Q}.new && mv ${status@Q}.new ${status@Q}
exit \$status
END
}

job='' # process of the run under way, or Slurm's number of it

# In a session of its own: Ctrl-C reaches it through us alone, once.
run_here() { # LOG; sets status
    # Without the folder's lock: daemons of mpirun end somewhat later, and another study may begin then.
    setsid "${command[@]}" </dev/null >>"$1" 2>&1 9>&- &
    job=$!
    status=0
    wait "$job" || status=$?
    job=''
}

run_in_slurm() { # I LOG; sets status
    local file=$folder/.${run_name[$1]}.status state pause=1
    rm -f "$file"
    if ! job=$(write_batch "$1" |
        "${command[@]}" 2>>"$2"); then
        job='' status=1
        return
    fi
    job=${job%%;*}
    while state=$(squeue --noheader --jobs="$job" --format='%T %r' 2>&1) || [[ $state != *"Invalid job id"* ]]; do
        [ -n "$state" ] || break
        if [[ $state =~ ^PENDING\ (PartitionNodeLimit|PartitionTimeLimit|BadConstraints|.*MaxNode.*)$ ]]; then
            scancel "$job" # it would wait for ever
            echo "slurm: the job would never start: ${BASH_REMATCH[1]}" >>"$2"
        fi
        sleep "$pause" &
        wait $! # so that a signal is heeded at once
        [ $pause -ge 5 ] || pause=$((pause + 1))
    done
    job=''
    status=$(cat "$file" 2>/dev/null) || status=1
    rm -f "$file"
}

end_job() {
    local tries
    [ -n "$job" ] || [ "$where" = slurm ] || job=$(jobs -p | tail -1)
    [ -n "$job" ] || return 0
    if [ "$where" = slurm ]; then
        scancel "$job" || :
        for ((tries = 0; tries < 60; tries++)); do
            [ -n "$(squeue --noheader --jobs="$job" 2>/dev/null)" ] || return 0
            sleep 0.5
        done
        return 0
    fi
    kill -TERM "$job" 2>/dev/null || :
    for ((tries = 0; tries < 150 + 150 * supervise; tries++)); do # a supervisor waits before it uses force
        kill -0 "$job" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$job" 2>/dev/null || : # mpirun ignores SIGTERM when a link is down
}

stop() { # STATUS: a signal
    trap '' INT TERM HUP
    say "study: interrupted; the run under way is ended.  What is done stays done: say the same again to go on"
    end_job
    exit "$1"
}
