# study-progress: part of jobs/study: which runs are done already, and how long the others will take.
# shellcheck shell=bash disable=SC2034,SC2154 # names of jobs/study's

# ---- what is done ----------------------------------------------------------------------------------------

# Is the run's file there, complete, and of these settings?
is_done() { # I
    local file=$folder/${run_name[$1]}.h5 about
    [ -e "$file" ] || return 1
    about=$("$bramble" info --json "$file" 2>&1) ||
        mistake "$file: is in the way and no result file; remove it ($about)"
    [[ $about =~ \"complete\":\ true ]] || return 1
    check_settings "$1" "$file" "$about"
    check_options_line "$1" "$file"
    [ "${run_ms[$1]}" != 0 ] || run_ms[$1]=$(sed -n 's/^ *"t_time_s": \([0-9.e+-]*\),*$/\1/p' <<<"$about" | head -1 |
        awk '{ printf "%d", 1000 * $1 }')
}

same_value() { # A B: as words, or as numbers
    [ "$1" = "$2" ] || {
        [[ $1$2 =~ ^[0-9.e+-]+$ ]] && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 == b + 0) }'
    }
}

# A file made with other options must not pass for this study's.  Folders may be named in many ways: the data's
# is not compared.
check_settings() { # I FILE ABOUT
    local option key value had
    while IFS= read -r option; do
        option=${option#--}
        case $option in
        *=*) key=${option%%=*} value=${option#*=} ;;
        no-*) key=${option#no-} value=false ;;
        *) key=$option value=true ;;
        esac
        had=$(sed -n '/^  "config": {/,/^  }/s/^ *"'"$key"'": "\(.*\)",*$/\1/p' <<<"$3")
        [ "$key" != data ] || [[ $value$had = *synthetic:* ]] || continue
        [ "$key" != normalise ] || [[ $value != measured* || $had != */* ]] || continue # the file has what was measured
        same_value "$had" "$value" ||
            mistake "$2: done with $key = $had, and this study wants $value: choose another --name"
    done < <(printf '%s--seed=%d\n' "${run_options[$1]}" "${run_seed[$1]}")
}

options_line() { # I: all options of run I in a line, as its log has it
    grep -v -e '^$' -e '^--data=' <<<"${run_options[$1]}" | tr '\n' ' ' || :
    grep -e '^--data=synthetic:' <<<"${run_options[$1]}" || echo
}

# An option that was given then and is not now is seen in the log alone.
check_options_line() { # I FILE
    local had
    had=$(sed -n 's/^options: //p;2q' "${2%.h5}.log" 2>/dev/null) || return 0
    [ -z "$had" ] || [ "$had" = "$(options_line "$1")" ] ||
        mistake "$2: done with the options $had, and this study has $(options_line "$1"): choose another --name"
}

check_done() {
    local i
    for i in "${!run_set[@]}"; do
        ! is_done "$i" || run_state[i]=old
    done
}

# ---- time left -------------------------------------------------------------------------------------------

number_of() { # I OPTION: what run I has for it, given, from its preset, or by default; sets number, 0 if it has none
    local lines=$'\n'${run_options[$1]} preset=none nl=$'\n'
    [[ ! $lines =~ ${nl}--preset=([a-z]+) ]] || preset=${BASH_REMATCH[1]}
    if [[ $lines =~ ${nl}--$2=([^$nl]*) ]]; then
        number=${BASH_REMATCH[1]}
    else
        number=${train_default[$preset $2]:-${train_default[none $2]:-0}}
    fi
    if [[ $number =~ ^[0-9]{1,9}$ ]]; then number=$((10#$number)); else number=0; fi
}

# How much run I has to do; sets rounds, stock (images that there are), images (of a round), cores (that it has here) and
# amount (images for a core).
amount_of() { # I
    local steps epochs
    stock=50000
    [[ ! ${run_options[$1]} =~ --data=synthetic:([0-9]{1,9}) ]] || stock=$((10#${BASH_REMATCH[1]}))
    number_of "$1" limit-train
    [ "$number" = 0 ] || [ "$number" -gt $stock ] || stock=$number
    number_of "$1" rounds && rounds=$number
    number_of "$1" local-steps && steps=$number
    number_of "$1" local-epochs && epochs=$number
    if [ "$steps" != 0 ]; then
        number_of "$1" batch
        images=$((steps * number * run_nodes[$1]))
    else
        images=$((stock * (epochs ? epochs : 1)))
    fi
    cores=${run_cores[$1]}
    [ "$where" != local ] || [ "$cores" -le "$n_cores" ] || cores=$n_cores
    amount=$((images * rounds / cores + 1))
}

trial_ms=0 trial_round_ms=0 trial_start_ms=0 trial_amount=0 # of a run that was only tried

# Of finished runs of the same case where there are any, else of all, by their work; else by a trial.
expect_ms() { # I; sets expected
    local i same=0 n=0 sum=0 sum_amount=0
    for i in "${!run_set[@]}"; do
        [ "${run_ms[i]}" != 0 ] || continue
        amount_of "$i"
        sum=$((sum + run_ms[i]))
        sum_amount=$((sum_amount + amount))
        if [ "${run_name[i]%-r*}" = "${run_name[$1]%-r*}" ]; then
            same=$((same + run_ms[i]))
            n=$((n + 1))
        fi
    done
    amount_of "$1"
    expected=0
    [ $trial_amount = 0 ] || expected=$((trial_ms * amount / trial_amount + trial_round_ms * rounds + trial_start_ms))
    [ $sum_amount = 0 ] || expected=$((sum * amount / sum_amount))
    [ $n = 0 ] || expected=$((same / n))
}

expect_all() { # sets left: of all that wait, 0 when nothing is known
    local i
    left=0
    for i in "${order[@]}"; do
        [ "${run_state[i]}" = waiting ] || continue
        expect_ms "$i"
        [ $expected != 0 ] || return 0
        left=$((left + expected))
    done
}

clock() { # MILLISECONDS
    printf '%d:%02d:%02d' $(($1 / 3600000)) $(($1 / 60000 % 60)) $(($1 / 1000 % 60))
}

time_left() { # prints it
    local left
    expect_all
    [ "$left" = 0 ] || printf ', about %s left' "$(clock "$left")"
}

# ---- before the first run --------------------------------------------------------------------------------

# Run I with few images and rounds, aside; sets trial_*.  Averages inside rounds cost in proportion to the images, one at
# the end of a round does not.
try() { # I IMAGES ROUNDS
    local options=${run_options[$1]} folder=$folder/.trial supervise=0 status=1 began about t=0 w=0 wall
    rm -rf "$folder"
    mkdir -p "$folder"
    run_options[$1]=$(grep -vE '^--(limit-(train|test)|rounds|local-(steps|epochs)|shards|target-accuracy|warmup|eval-every)=|^$' \
        <<<"$options" || :)$'\n'"--limit-train=$2"$'\n'"--rounds=$3"$'\n--limit-test=1\n'
    run_options[$1]=${run_options[$1]#$'\n'}
    began=$(now_ms)
    if prepare_train "$1" && prepare_mpirun "$1"; then run_here "$folder/log"; fi
    wall=$(($(now_ms) - began))
    run_options[$1]=$options
    about=$("$bramble" info --json "$folder/${run_name[$1]}.h5" 2>/dev/null) || return 1
    read -r t w < <(sed -n 's/^ *"[tw]_time_s": \([0-9.e+-]*\),*$/\1/p' <<<"$about" | awk '{ printf "%d ", 1000 * $1 + 0.5 }') || :
    [ "$status" = 0 ] && [ "$t" -gt 0 ] || return 1
    trial_ms=$t trial_round_ms=0 trial_start_ms=$((wall - t))
    number_of "$1" average-every
    [ "$number" != 0 ] || trial_ms=$w trial_round_ms=$(((t - w) / $3))
    trial_amount=$(($2 * $3 / cores + 1))
}

# A trial of a second or two, if all takes a hundred times as long.
trial() { # I; sets how
    local left=0 n r more
    amount_of "$1"
    n=$((stock < 2000 ? stock : 2000))
    r=$(((2000 + n - 1) / n))
    [ $r -le "$rounds" ] || r=$rounds
    [ $((images * rounds * $(count waiting))) -ge $((100 * n * r)) ] || return 1
    local all_images=$stock all_rounds=$rounds
    try "$1" "$n" "$r" || return 1
    expect_all
    more=$((2000 / (trial_ms + trial_round_ms * r + 1)))
    if [ "$more" -gt 1 ] && [ "$left" -gt 200000 ]; then
        r=$((n * more > all_images ? r * n * more / all_images : r))
        n=$((n * more > all_images ? all_images : n * more))
        [ $r -le "$all_rounds" ] || r=$all_rounds
        amount_of "$1"
        try "$1" "$n" "$r" || return 1
    fi
    how="by a trial of case ${run_nodes[$1]}:${run_cores[$1]} with $((n * r)) images; other cases by their cores"
}

# Says how long all runs to come will take, and how that is known.
foretell() { # [I: the first of them, for a trial]
    local left how='by the runs that are done'
    told=yes
    expect_all
    if [ "$left" = 0 ] && [ -n "${1:-}" ] && [ "$where" != slurm ]; then
        trial "$1" || how=''
        [[ -n $how || $(cat "$folder/.trial/log" 2>/dev/null) != *' cannot be capped: '* ]] || told=''
        rm -rf "$folder/.trial"
        expect_all
    fi
    if [ "$left" = 0 ]; then
        [ "$where.$dry_run" = slurm.0 ] && say "study: how long the others take is said when the first run is done"
        [ "$dry_run" = 0 ] || say "study: how long it takes is said before the first run, after a short trial"
    else
        say "study: all that is to be run takes about $(clock "$left") ($how)"
    fi
}
told=''
