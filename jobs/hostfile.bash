# hostfile: what a hostfile says: the one reader of the job scripts.  By itself, `bash jobs/hostfile.bash FILE`, it prints
# what hostfile_lines does; jobs/supervise asks it so.
# shellcheck shell=bash

# Editors elsewhere put a byte order mark first, and \r or \r\n behind a line; other bytes than ASCII are as they are.  Names are only read
# here: who uses them says which are no names.
hostfile_lines() { # FILE: NAME SLOTS WORDS for each line that names a host; SLOTS is 1 where it says none
    local name rest slots
    while read -r name rest || [ -n "$name" ]; do
        slots=1
        [[ ! " $rest " =~ [^A-Za-z0-9_-]slots[[:space:]]*=[[:space:]]*([0-9]{1,9})[^A-Za-z0-9_] ]] ||
            slots=$((10#${BASH_REMATCH[1]}))
        echo "$name $slots $name${rest:+ $rest}"
    done < <(tr '\r' '\n' <"$1" | LC_ALL=C sed '1s/^\xef\xbb\xbf//; s/#.*//; s/[[:space:]]*$//; /^$/d')
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -eu
    export LC_ALL=C
    hostfile_lines "$1"
fi
