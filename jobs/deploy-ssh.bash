# deploy-ssh: part of jobs/deploy and jobs/remote: ssh, what its errors mean, words common to both.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with them

say() { # WORDS: on stderr
    echo "$*" >&2
}

mistake() { # WORDS: the user's
    say "$self: $*"
    exit 2
}

usage() { # SCRIPT: the comment at its top
    sed -n '2,/^# shellcheck/{/^# shellcheck/d; s/^# \{0,1\}//; p}' "$1"
}

need() { # COMMAND...
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || {
            say "$self: $command is missing here: \`tools/install-packages deploy\` installs it"
            exit 1
        }
    done
}

# A connection that gives up by itself and never asks; what the user gives comes first and counts.
ssh_words() { # COMMAND
    read -r -a ssh <<<"$1"
    [ ${#ssh[@]} -gt 0 ] || mistake "--ssh: expected a command such as 'ssh -F FILE'"
    ssh+=(-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3)
}
ssh_words "${BRAMBLE_SSH:-ssh}"

ssh_line() { # for rsync
    echo "${ssh[*]}"
}

quote() { # WORDS: as a shell reads them back
    local word
    for word in "$@"; do printf " '%s'" "${word//\'/\'\\\'\'}"; done
}

remote_sh() { # HOST SCRIPT WORDS...: sh runs SCRIPT there, WORDS are its $1...
    "${ssh[@]}" "$1" "CDPATH= LC_ALL=C exec sh -c$(quote "$2") sh$(quote "${@:3}")" </dev/null
}

host_check() { # HOST WHERE
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9._@-]*$ ]] || mistake "$2: $1: no name of a host"
}

# What lies below the home folder here does so there, where the home folder may have another name.
dir_check() {
    [[ $dir = "~" ]] && dir=.
    dir=${dir#\~/}
    case $dir in "$HOME"/*) [ "$HOME" = / ] || dir=${dir#"$HOME"/} ;; esac
    [[ $dir =~ ^[A-Za-z0-9_./+-]+$ && $dir != -* && $dir != / ]] ||
        mistake "--dir $dir: expected a folder's name of letters, digits, . _ + - and /"
}

ssh_remedy() { # HOST FILE: what ssh's words mean
    local words
    words=$(grep -v '^Warning: ' "$2" | tail -n 1 | tr -d '\r')
    case $(cat "$2") in
    *'Could not resolve'*) echo "no such name: put it into /etc/hosts here, or into ~/.ssh/config" ;;
    *'Permission denied'*) echo "it does not let you in: \`ssh-copy-id $1\`" ;;
    *'HOST IDENTIFICATION HAS CHANGED'*) echo "it has another key than last time: if it was installed anew," \
        "\`ssh-keygen -R ${1#*@}\`, then \`ssh $1\`" ;;
    *'Host key verification failed'*) echo "its key is not known yet: \`ssh $1\` once, and say yes" ;;
    *'refused'*) echo "it is up but has no ssh: \`sudo systemctl enable --now ssh\` there" ;;
    *'timed out'* | *'No route'* | *'unreachable'* | *'not responding'*) echo "cannot be reached ($words): is it on," \
        "wired, and the address right?" ;;
    *) echo "ssh failed: ${words:-it left no word}" ;;
    esac
}

rsync_remedy() { # HOST FILE
    if grep -qi 'no space left' "$2"; then
        echo "its disk is full: make room (\`df -h\`)"
    elif grep -q 'Permission denied (13)\|failed: Permission denied' "$2"; then
        echo "$dir there is not yours to write: choose another --dir"
    else
        ssh_remedy "$1" "$2"
    fi
}
