#!/usr/bin/env bash
# Files that are not healthy, not contiguous or not pages, each held against a healthy data file of
# the same length in the same run.
#
#   benches/bad_cases.sh [FOLDER] [full]     default: a new folder under target/
#   ROUNDS=5 PROGRAM=/old/pagescrub COMPRESSED=/backups/x.bak LOG=/backups/x.trn \
#       benches/bad_cases.sh /var/tmp full
#   CASES="sparse foreign" benches/bad_cases.sh    some of them; their names are at the end
#   CASES=differentials SIZES="4GiB 16GiB 40GiB 80GiB" benches/bad_cases.sh /var/tmp
#       differentials of databases of these sizes: 7,100, 29,200, 73,400 and 147,000 runs
#
# Needs 6 GiB of disk in FOLDER; with `full`, 16 GiB: then it takes the scattered differential that
# the goals were written for. Rounds are interleaved, and what counts is the least wall and the least
# CPU time of each case: absolute numbers drift on shared machines. Calls are counted with strace.
# What cannot be measured says so. A dead region needs a device that fails: its reads are counted
# by tests/broken_disk.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
parent=${1:-target}
if [ "${2:-}" = full ]; then sizes="6GiB 40GiB"; else sizes="4GiB 16GiB"; fi
sizes=${SIZES:-$sizes}
rounds=${ROUNDS:-3}
program=${PROGRAM:-$PWD/target/release/pagescrub}
mkdir -p "$parent"
folder=$(mktemp -d "$parent/pagescrub-bad.XXXXXX")
samples=$folder/samples.txt
: >"$samples"
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# --- what is scanned ---------------------------------------------------------------------------

generate() { "$program" generate "$folder/$1" "${@:2}" >&2; }
healthy_like() { # FILE: a healthy data file of its length, beside it
    generate "$1.healthy" --size "$(($(stat -Lc %s "$folder/$1") / 65536 * 64))KiB" --seed 5
}
heat() { # FILE: how it was written decides in what pieces the cache holds it, so it is read in anew
    sync "$folder/$1"
    dd if="$folder/$1" iflag=nocache count=0 status=none
    cat "$folder/$1" >/dev/null
}

# --- measuring ---------------------------------------------------------------------------------

scan() { # FILE OPTIONS: damage is no failure here
    "$program" scan "$folder/$1" "${@:2}" --progress never --format json \
        --output "$folder/report.json" >/dev/null || [ $? -le 3 ]
}
of_report() { grep -om1 "\"$1\": [0-9.]*" "$folder/report.json" | cut -d' ' -f2; }
sample() { # FILE OPTIONS: seconds of wall, of CPU, without the reading, and of the reading
    local TIMEFORMAT='%3R %3U %3S' took
    took=$({ time scan "$@" 2>/dev/null; } 2>&1)
    echo "$1 $took $(of_report elapsed_seconds)" |
        awk '{ print $1, $2, $3 + $4, $2 - $5, $5 }' >>"$samples"
}
rounds_of() { # FILE OPTIONS: the case and its healthy file in turn; `before` each, something else
    : >"$samples"
    for _ in $(seq "$rounds"); do
        "${before:-:}" "$1"
        sample "$@"
        "${before:-:}" "$1.healthy"
        sample "$1.healthy" "${@:2}"
    done
}
least() { # FILE COLUMN
    awk -v of="$1" -v at="$2" '$1 == of && (!n++ || $at < least) { least = $at } END { print least }' \
        "$samples"
}
faults() { # FILE: page faults of a scan
    /usr/bin/time -o "$folder/faults.txt" -f %R "$program" scan "$folder/$1" --progress never \
        >/dev/null || true
    tail -1 "$folder/faults.txt"
}
calls() { # NAMES FILE [OPTIONS]: system calls of a scan
    strace -fqco "$folder/calls.txt" -e "trace=$1" "${@:3}" "$program" scan "$folder/$2" --progress never \
        >/dev/null 2>&1 || true
    awk '$NF == "total" { n = $4 } END { print n + 0 }' "$folder/calls.txt"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { print (b > 0 ? a / b : "inf") }'; }
have() { command -v "$1" >/dev/null 2>&1; }

row() { # CASE VALUE at-least|at-most GOAL DETAILS
    awk -v c="$1" -v v="$2" -v kind="$3" -v g="$4" -v d="$5" 'BEGIN {
        is_held = kind == "at-least" ? v >= g : v <= g
        printf "%-58s %8.2f  %s %-5s %-7s %s\n", c, v, kind, g, is_held ? "held" : "MISSED", d }'
}
not_measured() { printf '%-58s not measured: %s\n' "$1" "$2"; }
speeds() { # CASE FILE GOAL: the speed of a healthy file that the case reaches
    row "$1: speed, wall" "$(ratio "$(least "$2.healthy" 2)" "$(least "$2" 2)")" at-least "$3" \
        "$(least "$2" 2) s, healthy $(least "$2.healthy" 2) s"
}

# --- the cases ---------------------------------------------------------------------------------

scattered() { # NAME SIZE
    generate "$1" --size "$2" --seed 7 --backup differential
    healthy_like "$1"
    # The kernel may let go of what nobody reads for a minute.
    before=heat rounds_of "$1"
    speeds "differential of $2, hot" "$1" 0.8
    row "differential of $2, hot: speed, reading alone" \
        "$(ratio "$(least "$1.healthy" 5)" "$(least "$1" 5)")" at-least 0.8 \
        "$(least "$1" 5) s, healthy $(least "$1.healthy" 5) s"
    row "differential of $2, hot: speed, CPU" \
        "$(ratio "$(least "$1.healthy" 3)" "$(least "$1" 3)")" at-least 0.8 \
        "$(least "$1" 3) s, healthy $(least "$1.healthy" 3) s"
    echo "$(least "$1" 3) $(stat -c %s "$folder/$1")" >>"$folder/costs.txt"
    tail -1 "$folder/costs.txt" | awk -v of="$2" '{
        printf "differential of %s, hot: %.0f MB, CPU %.0f ms, %.0f us for each MB\n", of, $2 / 1e6, $1 * 1e3, $1 / $2 * 1e12 }'
    heat "$1"
    heat "$1.healthy"
    row "differential of $2, hot: page faults" \
        "$(ratio "$(faults "$1")" "$(faults "$1.healthy")")" at-most 1.5 "times a healthy file's"
    if have strace; then
        row "differential of $2, hot: madvise" \
            "$(ratio "$(calls madvise "$1")" "$(calls madvise "$1.healthy")")" at-most 1.5 \
            "times a healthy file's"
    else
        not_measured "differential of $2, hot: madvise" "no strace on PATH"
    fi
    rounds_of "$1" --reader direct
    speeds "differential of $2, direct" "$1" 0.8
    row "differential of $2, direct: speed, CPU" \
        "$(ratio "$(least "$1.healthy" 3)" "$(least "$1" 3)")" at-least 0.8 \
        "$(least "$1" 3) s, healthy $(least "$1.healthy" 3) s"
    rm "$folder/$1" "$folder/$1.healthy"
}

differentials() {
    for size in $sizes; do scattered "of_$size.bak" "$size"; done
    row "differentials: CPU per byte, most runs / fewest" \
        "$(awk '{ cost[NR] = $1 / $2 } END { print cost[NR] / cost[1] }' "$folder/costs.txt")" \
        at-most 1.2 "of $sizes"
}

encrypted() {
    generate r.mdf --size 1GiB --seed 5
    cp "$folder/r.mdf" "$folder/r.mdf.healthy"
    "$program" inject "$folder/r.mdf" --fault encrypted-page --random 60000 --seed 1 >/dev/null 2>&1
    rounds_of r.mdf --reader direct
    row "60,000 encrypted pages of 1 GiB, direct: wall" \
        "$(ratio "$(least r.mdf 2)" "$(least r.mdf.healthy 2)")" at-most 2 "times a healthy file"
    row "60,000 encrypted pages: seconds after the reading" "$(least r.mdf 4)" at-most 1 ""
    rm "$folder"/r.mdf*
}

streams() { # CASE FILE: against the direct reader
    healthy_like "$2"
    rounds_of "$2" --reader direct
    speeds "$1, direct" "$2" 0.9
    rm "$folder/$2.healthy"
}

log_backup() {
    if [ -n "${LOG:-}" ]; then
        ln -s "$(realpath "$LOG")" "$folder/log.trn"
    else
        generate log.trn --size 64MiB --seed 7 --backup log
        for _ in $(seq 63); do
            generate log.trn --size 64MiB --seed 7 --backup log --append 2>/dev/null
        done
    fi
    streams "log backup" log.trn
}

compressed() {
    if [ -z "${COMPRESSED:-}" ]; then
        not_measured "compressed backup, direct" "COMPRESSED names none"
        return
    fi
    ln -s "$(realpath "$COMPRESSED")" "$folder/c.bak"
    streams "compressed backup" c.bak
    : >"$samples"
    for _ in $(seq "$rounds"); do sample c.bak --deep; done
    row "compressed backup, unpacked: GiB/s of pages, per core" \
        "$(awk -v b="$(of_report bytes_read)" -v s="$(least c.bak 3)" 'BEGIN { print b / s / 2^30 }')" \
        at-least 1 ""
}

sparse() {
    generate s.mdf --size 4TiB --sparse --seed 3
    sync "$folder/s.mdf"
    : >"$samples"
    for _ in $(seq "$rounds"); do sample s.mdf; done
    row "sparse 4 TiB: bytes read / stored" \
        "$(ratio "$(of_report bytes_read)" "$(($(stat -c %b "$folder/s.mdf") * 512))")" at-most 1.5 ""
    row "sparse 4 TiB: CPU seconds per TiB" "$(ratio "$(least s.mdf 3)" 4)" at-most 0.3 \
        "wall $(least s.mdf 2) s"
    rm "$folder/s.mdf"
}

foreign() {
    head -c 32MiB /dev/urandom >"$folder/foreign.mdf"
    if have strace; then
        row "a foreign file: reads" "$(calls read,pread64 foreign.mdf -P "$folder/foreign.mdf")" \
            at-most 74 "of noise, 32 MiB"
    else
        not_measured "a foreign file: reads" "no strace on PATH"
    fi
}

for case in ${CASES:-differentials encrypted log_backup compressed sparse foreign}; do
    "$case"
done
