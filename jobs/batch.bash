# batch: part of the job scripts (*.sbatch): the program, and what a task of an array runs.
# They read it in the folder where the job was submitted, and have said who they are: self.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with them and with study-cases.bash

jobs=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=jobs/common.bash disable=SC1091 # is checked by itself
. "$jobs/common.bash"
[ -n "${BRAMBLE:-}" ] || [ ! -x "$PWD/bramble" ] || BRAMBLE=$PWD/bramble # of the folder where the job was submitted
find_program
export BRAMBLE=$bramble
[ -n "${SLURM_JOB_ID:-}" ] || mistake "this is for Slurm: sbatch jobs/$self"
[ -x "$BRAMBLE" ] || mistake "$BRAMBLE: no such program here: make, and sbatch from the project's folder"

# They reach arithmetic, where words would be expressions.
for number in SLURM_JOB_ID SLURM_JOB_NUM_NODES SLURM_CPUS_PER_TASK SLURM_ARRAY_TASK_ID RESTARTS; do
    [[ ${!number:-0} =~ ^(0|[1-9][0-9]{0,8})$ ]] || mistake "$number=${!number}: expected a whole number"
done

# The first repeat of every case, then the second, as jobs/study does it, with its names, seeds and options: so each
# takes the other's runs for its own.  A run that is there is not run again.
run_task() { # CASES ARGUMENTS...
    local name=$1 repeats='' i k about tasks=() options=()
    local -A overrides=() titles=() bases=()
    local sets=() run_set=() run_nodes=() run_cores=() run_label=() run_repeat=() run_seed=() run_name=() run_options=()
    local run_state=() run_ms=()
    # shellcheck source=/dev/null # checked by itself
    . "$jobs/study-cases.bash"
    read_train_options
    read_cases "$jobs/cases/$name.ini"
    for k in $(printf '%s\n' "${run_repeat[@]}" | sort -nu); do
        for i in "${!run_name[@]}"; do
            [ "${run_repeat[i]}" != "$k" ] || tasks+=("$i")
        done
    done
    i=${tasks[${SLURM_ARRAY_TASK_ID:-0}]:-}
    [ -n "$i" ] || mistake "task $SLURM_ARRAY_TASK_ID: $name has ${#tasks[@]} runs: sbatch --array=0-$((${#tasks[@]} - 1))%1"
    export CASE=${run_nodes[i]}:${run_cores[i]} OUT=results/$name/${run_name[i]}.h5
    [ -z "${run_options[i]}" ] || mapfile -t options <<<"${run_options[i]%$'\n'}"
    options+=("--seed=${run_seed[i]}")
    if [ -e "$OUT" ]; then
        about=$("$BRAMBLE" info --json "$OUT") || exit
        if [[ $about = *'"complete": true'* ]]; then
            echo "$OUT is there already"
            exit 0
        fi
        options+=(--force) # a run that was cut short
    fi
    exec "$jobs/train.sbatch" "${options[@]}" "${@:2}"
}
