# study-cases: part of jobs/study: options of bramble train, case files, and the runs they ask for.
# shellcheck shell=bash disable=SC2034,SC2154 # names of jobs/study's

# ---- options of bramble train ----------------------------------------------------------------------------

declare -A train_kind=()    # name -> value or flag
declare -A train_default=() # PRESET NAME -> value, preset none for all

read_train_options() {
    local help preset option rest
    help=$("$bramble" train --help 2>&1) || mistake "$bramble does not work: build it first with make ($help)"
    while read -r option rest; do
        option=${option#--}
        case $option in
        *=*) train_kind[${option%%=*}]=value ;;
        *) train_kind[$option]=flag ;;
        esac
    done < <(sed -n '/^Examples:/q; s/^ \{2,8\}\(-[a-zA-Z], \)\{0,1\}\(--[a-z].*\)$/\2/p' <<<"$help")
    while read -r preset option rest; do
        train_default["$preset $option"]=$rest
    done < <(awk '
        /^Preset / { preset = $2; sub(/,/, "", preset); next }
        !NF || /^Examples:/ { preset = "" }
        preset { n = split($0, pairs, ","); for (k = 1; k <= n; k++) { sub(/=/, "", pairs[k]); print preset, pairs[k] }; next }
        match($0, /^ +(-[a-zA-Z], )?--[a-z-]+/) { name = substr($0, 1, RLENGTH); sub(/.*--/, "", name) }
        sub(/.*Default: /, "") { sub(/\.$/, ""); print "none", name, $0 }' <<<"$help")
    has_case=${train_kind[case]+yes}
    local ours
    for ours in out threads force quiet json config case help seed; do
        unset "train_kind[$ours]"
    done
    train_kind[seed]=value
}

check_option() { # WHERE KEY VALUE
    case ${train_kind[$2]:-} in
    '') mistake "$1: $2: no such key; expected title, base, repeats, or an option of bramble train that" \
        "jobs/study does not set itself" ;;
    flag) [[ $3 = true || $3 = false ]] || mistake "$1: $2: $3: expected true or false" ;;
    value)
        [ -n "$3" ] || mistake "$1: $2: no value"
        [[ $3 != *$'\n'* ]] || mistake "$1: expected a value in one line"
        ;;
    esac
    [ "$2" != seed ] || [[ $3 =~ ^[0-9]{1,9}$ ]] || mistake "$1: seed: $3: expected a whole number"
}

# ---- case files ------------------------------------------------------------------------------------------

check_case() { # WHERE N:C
    [[ $2 =~ ^[1-9][0-9]{0,3}:[1-9][0-9]{0,4}$ ]] ||
        mistake "$1: $2: expected a case N:C such as 3:6, N nodes with C cores together"
}

check_repeats() { # WHERE K
    [[ $2 =~ ^[1-9][0-9]{0,2}$ ]] || mistake "$1: repeats: $2: expected a whole number, 1 to 999"
}

declare -A shared=() own=() seen=()
set_name='' set_repeats='' section=''

trim() { # sets trimmed
    trimmed=${1#"${1%%[![:space:]]*}"}
    trimmed=${trimmed%"${trimmed##*[![:space:]]}"}
}

begin_set() { # NAME
    set_name=$1
    set_repeats=3
    section=''
    shared=() own=()
    [ -z "${titles[$1]+x}" ] || mistake "$1: two case sets of this name"
    sets+=("$1")
    titles[$1]=$1
    bases[$1]=''
}

# All repeats of a case join the runs: the case's own options win over [study]'s, the command line's over both.
add_case() { # N:C [LABEL]
    local -A all=()
    local key k options='' nodes=${1%:*} cores=${1#*:} label=${2:-}
    for key in "${!shared[@]}"; do all[$key]=${shared[$key]}; done
    for key in "${!own[@]}"; do all[$key]=${own[$key]}; done
    for key in "${!overrides[@]}"; do all[$key]=${overrides[$key]}; done
    [ -n "${all[data]:-}" ] || [ -z "${BRAMBLE_DATA:-}" ] || all[data]=$BRAMBLE_DATA
    [ ! -d "${all[data]:-}" ] || all[data]=$(realpath -- "${all[data]}")
    local seed=${all[seed]:-0}
    unset 'all[seed]'
    for key in $(printf '%s\n' "${!all[@]}" | sort); do
        case ${train_kind[$key]}:${all[$key]} in
        flag:true) options+="--$key"$'\n' ;;
        flag:false) options+="--no-$key"$'\n' ;;
        *) options+="--$key=${all[$key]}"$'\n' ;;
        esac
    done
    for ((k = 1; k <= ${repeats:-$set_repeats}; k++)); do
        run_set+=("$set_name") run_nodes+=("$nodes") run_cores+=("$cores") run_label+=("$label")
        run_repeat+=("$k") run_seed+=($((10#$seed + k))) run_options+=("$options") run_state+=(waiting) run_ms+=(0)
        run_name+=("$set_name-$nodes-$cores${label:+-$label}-r$k")
    done
}

end_section() {
    [ "${section%% *}" != case ] || {
        # shellcheck disable=SC2086 # case, N:C and perhaps a label
        set -- $section
        add_case "$2" "${3:-}"
    }
    own=()
}

begin_section() { # WHERE HEADER
    local words
    [[ $2 =~ ^\[(.*)\]$ ]] || mistake "$1: $2: a section's name ends with ]"
    read -r -a words <<<"${BASH_REMATCH[1]}"
    case ${words[0]:-}:${#words[@]} in
    study:1) [ -z "$section" ] || mistake "$1: [study] stands first, and once" ;;
    case:2 | case:3)
        check_case "$1" "${words[1]}"
        [[ ${words[2]:-x} =~ ^[A-Za-z0-9_]+$ ]] || mistake "$1: ${words[2]}: a label is letters and digits"
        ;;
    *) mistake "$1: $2: expected [study], [case N:C] or [case N:C LABEL]" ;;
    esac
    end_section
    section="${words[*]}"
    [ -z "${seen[$section]+x}" ] || mistake "$1: [$section] for the second time"
    seen[$section]=1
}

take_setting() { # WHERE KEY VALUE
    [ -n "$section" ] || mistake "$1: $2: stands in no section; begin with [study] or [case N:C]"
    [ -z "${seen[$section.$2]+x}" ] || mistake "$1: $2: for the second time in [$section]"
    seen[$section.$2]=1
    case $section.$2 in
    study.title) titles["$set_name"]=$3 ;;
    study.repeats)
        check_repeats "$1" "$3"
        set_repeats=$3
        ;;
    study.base)
        check_case "$1" "$3"
        bases["$set_name"]=$3
        ;;
    *)
        check_option "$1" "$2" "$3"
        if [ "$section" = study ]; then shared[$2]=$3; else own[$2]=$3; fi
        ;;
    esac
}

read_cases() { # FILE
    local line n=0 before=${#run_set[@]} base
    base=$(basename -- "$1" .ini)
    [[ $base =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || mistake "$1: a case file's name is letters, digits, - and _"
    begin_set "$base"
    seen=()
    while IFS= read -r line || [ -n "$line" ]; do
        n=$((n + 1))
        [[ ! $line =~ ^(.*[[:space:]])?\; ]] || line=${line%%[[:space:]]\;*}
        trim "$line"
        case $trimmed in
        '' | \;* | \#*) ;;
        \[*) begin_section "$1:$n" "$trimmed" ;;
        [!=]*=*)
            local value=${trimmed#*=}
            trim "${trimmed%%=*}"
            local key=$trimmed
            trim "$value"
            take_setting "$1:$n" "$key" "$trimmed"
            ;;
        *) mistake "$1:$n: $trimmed: expected [SECTION] or KEY = VALUE" ;;
        esac
    done <"$1"
    end_section
    [ ${#run_set[@]} -gt "$before" ] || mistake "$1: no [case N:C] in it"
    check_base "$1"
}

check_base() { # FILE: the base must be one of the cases
    local i base=${bases[$set_name]}
    [ -n "$base" ] || return 0
    for i in "${!run_set[@]}"; do
        [ "${run_set[i]} ${run_nodes[i]}:${run_cores[i]}" != "$set_name $base" ] || return 0
    done
    mistake "$1: base = $base: there is no [case $base]"
}
