# study-runs: part of jobs/study: one run after the other, and what became of each: run_state and run_ms.
# shellcheck shell=bash disable=SC2034,SC2154 # names of jobs/study's

# What mpirun says first, in a line.  Its words on a host that it could not start anything on fit all cases: there the
# cause stands before them, from ssh.
launcher_words() { # LOG
    sed 1,2d "$1" | awk '
        /^----+$/ { if (n_rules++) exit; next }
        !n_rules { before = /^round [0-9]/ ? "mpirun has lost a host" : NF ? $0 : before; next }
        !NF { if (text !~ /:$/) exit; next }
        { $1 = $1; text = text (text == "" ? "" : " ") $0 }
        END { print text ~ /^ORTE was unable to reliably start/ && before != "" ? before : text }' | grep .
}

cause() { # LOG: the line that says why a run failed
    grep -a -m 1 -e '^capped: .* cannot be capped: ' -e '^slurm: ' "$1" ||
        { grep -a '^bramble: ' "$1" | grep -av -e ' goes on$' -e '^bramble: warning: ' | tail -n 1 | grep .; } ||
        grep -a -m 1 -e '^capped: ' -e '^sbatch: error: ' -e '^srun: error: ' "$1" || launcher_words "$1" ||
        sed 1,2d "$1" | tail -n 1 | grep -a . || echo 'it left no word'
}

leave_out() { # I STATE WHY: the case, with all its repeats
    local i
    say "study: case ${run_nodes[$1]}:${run_cores[$1]} $3"
    for i in "${order[@]}"; do
        if [ "${run_nodes[i]}:${run_cores[i]}:${run_state[i]}" = "${run_nodes[$1]}:${run_cores[$1]}:waiting" ]; then
            run_state[i]=$2
        fi
    done
    run_state[$1]=$2
}

skip() { # I WHY: on these hosts there is no way to run it
    leave_out "$1" skipped "cannot be run here: $2"
}

judge() { # I LOG STATUS MILLISECONDS
    local words
    words=$(cause "$2")
    if [ "$3" = 0 ] && is_done "$1"; then
        run_state[$1]=new run_ms[$1]=$4
        [ "$supervise" = 0 ] || rm -f "$folder/${run_name[$1]}.checkpoint.h5"*
        say "  $(sed -n 's/ *(.*//; /^test accuracy\|^T_time\|^O%/p' "$2" | tr -s ' ' | paste -s -d, | sed 's/,/, /g')"
    elif [[ $words = bramble:* ]] && [ ! -e "$folder/${run_name[$1]}.h5" ] &&
        { [ "$3" = 2 ] || grep -q '^srun: error: .* exit code 2$' "$2"; }; then # one that has begun has diverged
        say "study: ${run_name[$1]}: $words"
        exit 2
    elif [[ $words = "capped: "*" cannot be capped: "* ]]; then
        no_cap=${words#capped: }
        skip "$1" "$no_cap"
    elif [[ $words = slurm:* ]]; then
        skip "$1" "${words#slurm: }"
    else
        run_state[$1]=failed
        say "study: ${run_name[$1]} failed (status $3): $words; see $2"
    fi
}

now_ms() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

start_log() { # I COMMAND
    printf '$ %s\noptions: %s\n' "$2" "$(options_line "$1")"
}

run_one() { # I
    local log=$folder/${run_name[$1]}.log why number began
    why=$(obstacle "$1")
    if [ -n "$why" ]; then
        skip "$1" "$why"
        return
    fi
    if [ "$where" = emulate ] && ! why=$(share_hosts "${run_nodes[$1]}" "${run_cores[$1]}" 2>&1); then
        leave_out "$1" failed "is left out: $why"
        return
    fi
    [ "$dry_run" = 0 ] || [ -z "$why" ] || echo "$why"
    [ "$dry_run" = 1 ] || [ -n "$told" ] || foretell "$1"
    prepare_train "$1"
    if [ "$where" = slurm ]; then prepare_sbatch "$1"; else prepare_mpirun "$1"; fi
    if [ "$dry_run" = 1 ]; then
        print_command "$1"
        return
    fi
    number=$((n_before + 1))
    began=$(now_ms)
    say "run $number of ${#order[@]}: ${run_name[$1]}, seed ${run_seed[$1]}$(time_left)"
    if [ "$where" = slurm ]; then
        start_log "$1" "sbatch: $(shell_words "${train[@]}")" >"$log"
        run_in_slurm "$1" "$log"
    else
        start_log "$1" "$(shell_words "${command[@]}")" >"$log"
        run_here "$log"
    fi
    judge "$1" "$log" "$status" $(($(now_ms) - began))
}

# The first repeat of every case, then the second: a study cut short has all cases, and a slow drift of the
# machine meets them all alike.
make_order() {
    local set i k
    order=()
    for set in "${sets[@]}"; do
        for k in $(printf '%s\n' "${run_repeat[@]}" | sort -nu); do
            for i in "${!run_set[@]}"; do
                [ "${run_set[i]} ${run_repeat[i]}" != "$set $k" ] || order+=("$i")
            done
        done
    done
}

count() { # STATE
    local state n=0
    for state in "${run_state[@]}"; do
        [ "$state" != "$1" ] || n=$((n + 1))
    done
    echo "$n"
}
