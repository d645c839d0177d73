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

work_of() { # I: core-seconds' worth of it, up to a factor; sets work
    local images=50000
    [[ ! ${run_options[$1]} =~ --limit-train=([0-9]+) ]] || images=${BASH_REMATCH[1]}
    work=$((images * 1000 / run_cores[$1] + 1))
}

# Of finished runs of the same case where there are any, else of all, by their work.
expect_ms() { # I; sets expected
    local i same=0 n=0 sum=0 sum_work=0
    for i in "${!run_set[@]}"; do
        [ "${run_ms[i]}" != 0 ] || continue
        work_of "$i"
        sum=$((sum + run_ms[i]))
        sum_work=$((sum_work + work))
        if [ "${run_name[i]%-r*}" = "${run_name[$1]%-r*}" ]; then
            same=$((same + run_ms[i]))
            n=$((n + 1))
        fi
    done
    work_of "$1"
    expected=0
    [ $sum_work = 0 ] || expected=$((sum * work / sum_work))
    [ $n = 0 ] || expected=$((same / n))
}

time_left() { # prints it
    local i left=0
    for i in "${order[@]}"; do
        [ "${run_state[i]}" = waiting ] || continue
        expect_ms "$i"
        [ $expected != 0 ] || return 0
        left=$((left + expected))
    done
    [ $left = 0 ] || printf ', about %d:%02d:%02d left' $((left / 3600000)) $((left / 60000 % 60)) $((left / 1000 % 60))
}
