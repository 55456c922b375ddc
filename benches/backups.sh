#!/usr/bin/env bash
# Scanning a backup against scanning a data file of the same length, side by side.
#
#   benches/backups.sh [SIZE] [FOLDER]        defaults: 4GiB in a new folder under /tmp
#   ROUNDS=7 benches/backups.sh 1GiB /var/tmp
#
# Makes a backup of a database of SIZE and a data file that is as long as the backup (needs about
# twice SIZE of disk). Rounds are interleaved, hot (from the page cache) and cold (read past it);
# what counts is the median of the ratios of each round. Peak memory is told as well.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-4GiB}
folder=$(mktemp -d "${2:-/tmp}/pagescrub-backups.XXXXXX")
rounds=${ROUNDS:-7}
program=$PWD/target/release/pagescrub
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

"$program" generate "$folder/b.bak" --size "$size" --seed 5 --backup full --with-checksum >&2
bytes=$(stat -c %s "$folder/b.bak")
"$program" generate "$folder/d.mdf" --size "$((bytes / 65536 * 64))KiB" --seed 5 >&2

# Bytes per second of the whole program, which must call the file clean.
speed() { # FILE READER
    local from to bytes
    from=$(date +%s%N)
    "$program" scan "$1" --reader "$2" --progress never | grep -q '^CLEAN' || echo "not clean" >&2
    to=$(date +%s%N)
    bytes=$(stat -c %s "$1")
    awk -v b="$bytes" -v n="$((to - from))" 'BEGIN { print b * 1e9 / n }'
}

peak_kib() { # FILE READER
    "$program" scan "$1" --reader "$2" --progress never >/dev/null &
    local process=$! peak=0 now
    while now=$(awk '/VmHWM/ { print $2 }' "/proc/$process/status" 2>/dev/null) && [ -n "$now" ]; do
        peak=$now
        sleep 0.02
    done
    wait "$process"
    echo "$peak"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for temperature in hot cold; do
    reader=auto
    [ "$temperature" = cold ] && reader=direct
    # How a file was written decides in what pieces the cache holds it: read both in anew.
    sync "$folder/b.bak" "$folder/d.mdf"
    for file in b.bak d.mdf; do dd if="$folder/$file" iflag=nocache count=0 status=none; done
    cat "$folder/b.bak" "$folder/d.mdf" >/dev/null
    : >"$folder/ratios"
    for round in $(seq 0 "$rounds"); do
        backup=$(speed "$folder/b.bak" "$reader")
        data=$(speed "$folder/d.mdf" "$reader")
        [ "$round" = 0 ] && continue
        awk -v b="$backup" -v d="$data" 'BEGIN { print b / d, b / 1e9, d / 1e9 }' >>"$folder/ratios"
    done
    printf '%s: backup / data file %.2f (median of %d rounds; %.1f and %.1f GB/s); peak %d and %d MiB\n' \
        "$temperature" "$(cut -d' ' -f1 "$folder/ratios" | median)" "$rounds" \
        "$(cut -d' ' -f2 "$folder/ratios" | median)" "$(cut -d' ' -f3 "$folder/ratios" | median)" \
        "$(($(peak_kib "$folder/b.bak" "$reader") / 1024))" \
        "$(($(peak_kib "$folder/d.mdf" "$reader") / 1024))"
done
