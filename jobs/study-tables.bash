# study-tables: part of jobs/study: the tables of what is done; sets nothing.
# shellcheck shell=bash disable=SC2154 # names of jobs/study's

# Speedups refer to the base case where there is a run of it.
report_runs() { # BASE FILE...
    local base=$1
    shift
    if [ -n "$base" ] && "$bramble" report --base "$base" "$@" 2>/dev/null; then return; fi
    [ -z "$base" ] || say "study: no run of the base case $base: S refers to the smallest case there is"
    "$bramble" report "$@"
}

print_table() { # SET
    local i label labels=() files last=''
    for i in "${!run_set[@]}"; do
        [[ "${run_set[i]} ${run_state[i]}" =~ ^"$1 "(old|new)$ ]] || continue
        [[ " ${labels[*]-} " = *" ${run_label[i]:--} "* ]] || labels+=("${run_label[i]:--}")
    done
    [ ${#labels[@]} -gt 0 ] || return 0
    printf '\n%s\n' "${titles[$1]}"
    for label in "${labels[@]}"; do
        files=()
        for i in "${!run_set[@]}"; do
            [ "${run_set[i]} ${run_label[i]:--}" = "$1 $label" ] || continue
            [[ ! ${run_state[i]} =~ ^(old|new)$ ]] || files+=("$folder/${run_name[i]}.h5")
        done
        if [ "$label" = - ]; then
            report_runs "${bases[$1]}" "${files[@]}"
        else # side by side, the label first
            report_runs '' "${files[@]}" | awk -v l="$label" -v last="$last" \
                '/^$/ { over = 1 } over { next } # the first of its tables
                NR == 1 { if (last == "") printf "%-12s %s\n", "", $0; next } { printf "%-12s %s\n", l, $0 }'
            last=$label
        fi
    done
}
