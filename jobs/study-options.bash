# study-options: part of jobs/study: its command line.  Sets where, hostfile, interface, core, server_core, shared_server,
# supervise, dry_run, repeats, name, results, sbatch_options and overrides (options of bramble train, from study-cases);
# read_words adds the runs of the cases that are named.
# shellcheck shell=bash disable=SC2034,SC2154 # names of jobs/study's

take_place() { # local, hostfile, slurm or emulate
    [ "$where" = local ] || [ "$where" = "$1" ] || mistake "--$where and --$1: only one of them"
    where=$1
}

take_flag() { # OPTION: an option without a value; false when it is none
    local key=${1#--}
    case $1 in
    --slurm | --emulate) take_place "$key" ;;
    --shared-server) shared_server=1 ;;
    --supervise) supervise=1 ;;
    --dry-run) dry_run=1 ;;
    *)
        local value=true
        if [[ $key = no-* ]]; then key=${key#no-} value=false; fi
        [ "${train_kind[${key:--}]:-}" = flag ] || return 1
        overrides["$key"]=$value
        ;;
    esac
}

take_option() { # OPTION VALUE...
    local key=${1#--}
    case $key in
    hostfile | interface | core | server-core | repeats | name | results) ;;
    partition | account | qos | time | constraint | nodelist | exclude | reservation) ;;
    *) [ -n "${train_kind[${key:--}]:-}" ] ||
        mistake "$1: no such option, or one the study sets itself; see jobs/study --help" ;;
    esac
    [ $# -ge 2 ] || mistake "$1: needs a value; see jobs/study --help"
    case $key in
    hostfile)
        if [ ! -r "$2" ] || [ -d "$2" ]; then mistake "--hostfile $2: cannot be read"; fi
        take_place hostfile
        hostfile=$(realpath -- "$2")
        ;;
    interface) interface=$2 ;;
    core | server-core)
        [[ $2 =~ ^[0-9]*\.?[0-9]+$ && ! $2 =~ ^[0.]+$ ]] || mistake "$1 $2: expected a share of a core such as 0.2"
        if [ "$key" = core ]; then core=$2; else server_core=$2; fi
        ;;
    repeats)
        check_repeats "$1" "$2"
        repeats=$2
        ;;
    name)
        [[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || mistake "--name $2: expected letters, digits, - and _"
        name=$2
        ;;
    results) results=$(realpath -m -- "$2") ;;
    partition | account | qos | time | constraint | nodelist | exclude | reservation) sbatch_options+=("$1=$2") ;;
    *)
        check_option "$1" "$key" "$2"
        overrides["$key"]=$2
        ;;
    esac
}

parse_command_line() {
    words=()
    while [ $# -gt 0 ]; do
        if [ "$1" = -- ]; then
            words+=("${@:2}")
            break
        elif [[ $1 != -* ]]; then
            words+=("$1")
            shift
        elif take_flag "$1"; then
            shift
        else
            [[ $1 != *=* ]] || set -- "${1%%=*}" "${1#*=}" "${@:2}"
            take_option "$@"
            shift 2
        fi
    done
    [ "$where" != local ] || [ "$shared_server" = 0 ] || mistake "--shared-server: goes with --hostfile or --slurm"
    [ "$where" != emulate ] || [ "$shared_server" = 0 ] ||
        mistake "--shared-server: not with --emulate, where every host has a share of its own"
    [ "$where" != slurm ] || [ "$supervise" = 0 ] || mistake "--supervise: not with --slurm"
}

read_words() { # CASES.ini|N:C...
    local word plain=0
    [ $# -gt 0 ] || mistake "which cases? expected CASES.ini or N:C; see jobs/study --help"
    for word in "$@"; do
        if [[ $word =~ ^[0-9]+:[0-9]+$ ]]; then
            check_case "$word" "$word"
            [ $plain = 1 ] || begin_set cases
            plain=1
            [ -z "${seen[word $word]+x}" ] || mistake "$word: for the second time"
            add_case "$word"
            seen[word $word]=1
        fi
    done
    for word in "$@"; do
        if [[ $word =~ ^[0-9]+:[0-9]+$ ]]; then
            :
        elif [ -f "$word" ]; then
            read_cases "$word"
        elif [ -f "$home/jobs/cases/${word%.ini}.ini" ]; then
            read_cases "$home/jobs/cases/${word%.ini}.ini"
        else
            mistake "$word: no such case file, neither here nor in jobs/cases/, and no case N:C"
        fi
    done
    if [ -z "$name" ]; then
        name=study
        [ ${#sets[@]} -gt 1 ] || name=${sets[0]}
    fi
}
