# hosts: part of jobs/deploy, remote and study: the names of hosts, ssh, and what hosts answer.  It reads common.bash and
# hostfile.bash.
# What a host answers is data: never words of a shell, make or awk here, and no terminal's orders (SECURITY.md).
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with them

for part in common hostfile; do
    # shellcheck source=/dev/null # checked by itself
    . "$(dirname "${BASH_SOURCE[0]}")/$part.bash"
done

# ---- names ---------------------------------------------------------------------------------------------------

read_hosts() { # HOSTFILE: sets hosts, the first word of each line, each once
    local host
    hosts=()
    while read -r host _; do
        host_check "$host" "$1"
        [[ " ${hosts[*]-} " = *" $host "* ]] || hosts+=("$host")
    done < <(hostfile_lines "$1")
    [ ${#hosts[@]} -gt 0 ] || mistake "$1: names no host"
}

host_check() { # HOST WHERE
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9._@-]*$ ]] || mistake "$2: ${1//[^[:print:]]/?}: no name of a host"
}

# What lies below the home folder here does so there, where the home folder may have another name.
dir_check() {
    [[ $dir = "~" ]] && dir=.
    dir=${dir#\~/}
    case $dir in "${HOME:-/}"/*) [ "$HOME" = / ] || dir=${dir#"$HOME"/} ;; esac
    [[ $dir =~ ^[A-Za-z0-9_./+-]+$ && $dir != -* && $dir != / ]] ||
        mistake "--dir $dir: expected a folder's name of letters, digits, . _ + - and /"
}

# ---- ssh -----------------------------------------------------------------------------------------------------

# A connection that gives up by itself and never asks; what the user gives comes first and counts.
ssh_words() { # COMMAND
    read -r -a ssh <<<"$1"
    [ ${#ssh[@]} -gt 0 ] || mistake "--ssh: expected a command such as 'ssh -F FILE'"
    ssh+=(-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3)
    export BRAMBLE_SSH=$1 # for rsync_there
}
ssh_words "${BRAMBLE_SSH:-ssh}"

quote() { # WORDS: as a shell reads them back
    local word
    for word in "$@"; do printf " '%s'" "${word//\'/\'\\\'\'}"; done
}

# A login shell may greet (~/.bashrc), so nothing that comes before this line is an answer.
mark='--- an answer for bramble follows ---'

after_mark() { # what follows the mark on stdin, byte by byte; 255 when there is none
    local line last=''
    while IFS= read -r line || [ -n "$line" ]; do
        [ "$line" != "$mark" ] || { cat; return; }
        [ -z "${line//[[:space:]]/}" ] || last=$line
    done
    [ -z "$last" ] || say "no shell: $last"
    return 255
}

# sh runs SCRIPT there, WORDS are its $1...; status 255 when it did not come to that.  Whatever the login shell is, it
# reads one word.
remote_sh() ( # HOST SCRIPT WORDS...
    set -o pipefail
    printf "echo; echo '%s'; CDPATH= LC_ALL=C exec sh -c%s sh%s </dev/null\n" \
        "$mark" "$(quote "$2")" "$(quote "${@:3}")" | "${ssh[@]}" "$1" sh | after_mark
)

# Its ssh is this file (see its end).  rsync would make that one's stdout non-blocking, which cat cannot take.
rsync_there() { # WORDS
    local path=${BASH_SOURCE[0]}
    rsync --partial-dir=.rsync-partial --timeout=60 --out-format=%i --blocking-io -e "bash '${path//\'/\'\'}'" "$@"
}

shown() { # stdin as a terminal may have it: no control characters but tabs
    LC_ALL=C sed -u 's/\xc2[\x80-\x9f]//g; s/[\x01-\x08\x0b-\x1f\x7f]//g'
}

ssh_remedy() { # HOST FILE: what ssh's words mean
    local words
    words=$(grep -av '^Warning: ' "$2" | tail -n 1 | tr -d '\r')
    case $(tr -d '\000' <"$2") in
    *'no shell: '*) echo "it lets you in but runs no command; it says: ${words#no shell: } (has this user a shell" \
        "there? \`chsh\`)" ;;
    *'Could not resolve'*) echo "no such name: put it into /etc/hosts here, or into ~/.ssh/config" ;;
    *'Permission denied'*) echo "it does not let you in: \`ssh-copy-id $1\`" ;;
    *'HOST IDENTIFICATION HAS CHANGED'*) echo "it has another key than last time: if it was installed anew," \
        "\`ssh-keygen -R ${1#*@}\`, then \`ssh $1\`" ;;
    *'Host key verification failed'*) echo "its key is not known yet: \`ssh $1\` once, and say yes" ;;
    *'refused'*) echo "it is up but has no ssh: \`sudo systemctl enable --now ssh\` there" ;;
    *'timed out'* | *'No route'* | *'no route'* | *'unreachable'* | *'not responding'*) echo "cannot be reached" \
        "($words): is it on, wired, and the address right?" ;;
    *) if [ -n "$words" ]; then echo "ssh failed: $words"; else echo "no answer and no word: does \`ssh $1\` give a shell?"; fi ;;
    esac
}

rsync_remedy() { # HOST FILE
    if grep -aqi 'no space left' "$2"; then
        echo "its disk is full: make room (\`df -h\`)"
    elif grep -aq 'Permission denied (13)\|failed: Permission denied' "$2"; then
        echo "$dir there is not yours to write: choose another --dir"
    else
        ssh_remedy "$1" "$2"
    fi
}

# ---- hosts side by side: a function for each, whose findings are files $scratch/HOST.WHAT ----------------------

most_answer=1000000 # bytes of an answer that are read

each_host() { # FUNCTION: of all hosts that have not failed, n_jobs at a time
    local host running=0
    for host in "${hosts[@]}"; do
        [ ! -s "$scratch/$host.failed" ] || continue
        if [ $running -ge "$n_jobs" ]; then
            wait -n || :
            running=$((running - 1))
        fi
        "$1" "$host" &
        running=$((running + 1))
    done
    wait
}

failed() { # HOST WORDS
    shown <<<"${*:2}" >"$scratch/$1.failed"
}

ask() { # HOST WHAT SCRIPT WORDS...: the answer is $scratch/HOST.WHAT, what is said besides HOST.error
    (
        set -o pipefail
        remote_sh "$1" "${@:3}" 2>"$scratch/$1.error" | head -c "$most_answer" >"$scratch/$1.$2"
    )
}

look() { # HOST PROGRAM: whether it runs there; what it says of itself is HOST.info
    # shellcheck disable=SC2016 # for that shell
    local script='[ -x "$1" ] || { echo "no program"; exit 9; }
        ldd "$1" | sed -n "s/^[[:space:]]*\([^ ]*\) => not found.*/missing \1/p"
        command -v mpirun >/dev/null || echo "missing mpirun"
        "$1" info'
    local status=0 why
    ask "$1" info "$script" "$2" || status=$?
    why=$(sed -n 's/^missing //p' "$scratch/$1.info" | sort -u | paste -s -d' ')
    if [ -n "$why" ]; then
        failed "$1" "$why: missing there: $(packages_of "$why")"
    elif grep -aqx 'no program' "$scratch/$1.info"; then
        failed "$1" "no program $2 there: \`jobs/deploy HOSTFILE\` puts it there"
    elif [ $status = 255 ]; then
        failed "$1" "$(ssh_remedy "$1" "$scratch/$1.error")"
    elif [ $status = 132 ] || grep -aq 'Illegal instruction' "$scratch/$1.error"; then
        failed "$1" "the program has instructions this machine lacks: deploy it with an older --preset"
    elif grep -aqi 'exec format error' "$scratch/$1.error"; then
        failed "$1" "the program is not for this kind of machine: deploy it with another --preset"
    elif [ $status != 0 ]; then
        failed "$1" "bramble info ended with status $status: $(tail -n 1 "$scratch/$1.error" | tr -d '\000')"
    fi
}

packages_of() { # FILES: the line that installs what has them on Debian 12 and 13
    local what files packages='' unknown=''
    read -r -a files <<<"$1"
    for what in "${files[@]}"; do
        case $what in
        mpirun | libmpi.so.40 | libopen-*) packages+=' openmpi-bin' ;;
        libhdf5_serial.so.103) packages+=' libhdf5-103-1' ;;
        libhdf5_serial.so.310) packages+=' libhdf5-310' ;;
        libgomp.so.1) packages+=' libgomp1' ;;
        libjansson.so.4) packages+=' libjansson4' ;;
        libjpeg.so.62) packages+=' libjpeg62-turbo' ;;
        libspng.so.0) packages+=' libspng0' ;;
        libinih.so.1) packages+=' libinih1' ;;
        libz.so.1) packages+=' zlib1g' ;;
        *) unknown+=" $what" ;;
        esac
    done
    [ -z "$packages" ] || echo "\`sudo apt-get install$packages\` there"
    [ -z "$unknown" ] || echo "build on a system as it has (the same Debian), for$unknown"
}

# ---- started by rsync as its ssh: [-l USER] HOST COMMAND... ----------------------------------------------------

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -eu -o pipefail
    user=()
    [ "$1" != -l ] || { user=(-l "$2") && shift 2; }
    "${ssh[@]}" "${user[@]}" "$1" "echo; echo '$mark'; exec ${*:2}" | after_mark
fi
