# common: part of all job scripts, and of tools/run-notebooks: words on stderr and the end, help, what is installed, locks,
# limits of CPU time.
# A script that reads it has said who it is: self.
# shellcheck shell=bash disable=SC2034,SC2154 # names shared with them

say() { # WORDS: on stderr
    echo "$*" >&2
}

fail() { # WORDS: the machine's fault; status 1
    say "$self: $*"
    exit 1
}

mistake() { # WORDS: the user's; status 2
    say "$self: $*"
    exit 2
}

usage() { # SCRIPT: the comment at its top
    sed -n '2,/^[^#]/{/^# shellcheck/d; /^[^#]/d; s/^# \{0,1\}//; p}' "$1"
}

need() { # SET COMMAND...: which tools/install-packages SET installs
    local command
    for command in "${@:2}"; do
        command -v "$command" >/dev/null || fail "$command is missing here: \`tools/install-packages $1\` installs it"
    done
}

# Where these scripts lie, and the program that goes with them: both in the project's folder, or in what jobs/deploy has
# copied; else they are installed, and data and results are where the user is.  BRAMBLE=FILE is another program.
find_program() { # sets home, work (the folder of data and results) and bramble
    home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    work=$home bramble=${BRAMBLE:-$home/bramble}
    if [ ! -x "$home/bramble" ] && [ ! -e "$home/Makefile" ]; then
        work=$PWD bramble=${BRAMBLE:-$(command -v bramble || echo bramble)}
    fi
}

# Some file systems have no locks (NFS without a lock daemon): that is not the same as another at work.
lock() { # FD, or FILE COMMAND...: as flock; status 1 when another has it, 2 when nothing can be locked there
    local status=0
    flock --nonblock --conflict-exit-code 1 "$@" 2>/dev/null || status=$?
    [ $status -le 1 ] || status=2
    return $status
}

shell_words() { # WORDS: a line that a shell reads back as they are
    local word line=''
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./:=,%+@-]+$ ]] || word=${word@Q}
        line+=" $word"
    done
    echo "${line# }"
}

# ---- control groups: version 1 or 2 --------------------------------------------------------------------------

cpu_groups_v1() { # prints the folder of version 1's groups of the controller cpu; nothing where there are none
    awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2; exit }' /proc/mounts
}

cpu_group_limit() { # VERSION FOLDER QUOTA PERIOD: microseconds in each period; QUOTA max: no limit
    if [ "$1" = 2 ]; then
        echo "$3 $4" >"$2/cpu.max"
    else
        echo -1 >"$2/cpu.cfs_quota_us" && echo "$4" >"$2/cpu.cfs_period_us" && echo "${3/max/-1}" >"$2/cpu.cfs_quota_us"
    fi
}
