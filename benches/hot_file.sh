#!/usr/bin/env bash
# A whole scan of a 4 GiB file in the page cache, against two parallel dd over its halves.
#
#   benches/hot_file.sh [FOLDER]          needs 4 GiB of disk in FOLDER and 6 GiB of memory
#
# Prints GB/s of each interleaved round and the median of the ratios. Ratios within one run are
# what counts: absolute numbers drift on shared machines.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-/tmp}
file=$folder/pagescrub-hot.mdf
rounds=7
trap 'rm -f "$file" "$folder/pagescrub-hot.txt"' EXIT

cargo build --release --quiet
target/release/pagescrub generate "$file" --size 4GiB --seed 7 --force >&2
sync
# Dropped and read again from beginning to end, so that the cache holds it as after a backup.
dd if="$file" iflag=nocache count=0 status=none
cat "$file" >/dev/null

seconds() { # of a command; its output is dropped
    local start end
    start=$(date +%s.%N)
    "$@" >/dev/null 2>&1
    end=$(date +%s.%N)
    awk "BEGIN { print $end - $start }"
}
two_dd() {
    dd if="$file" of=/dev/null bs=256K count=8192 &
    dd if="$file" of=/dev/null bs=256K skip=8192 &
    wait
}
scan() { target/release/pagescrub scan "$file"; }

two_dd >/dev/null 2>&1
scan >/dev/null
printf '%8s %12s %12s %8s\n' round 'two dd GB/s' 'scan GB/s' ratio
for round in $(seq "$rounds"); do
    dd_seconds=$(seconds two_dd)
    scan_seconds=$(seconds scan)
    awk -v n="$round" -v d="$dd_seconds" -v s="$scan_seconds" \
        'BEGIN { gb = 4.294967296; printf "%8d %12.1f %12.1f %8.2f\n", n, gb / d, gb / s, d / s }'
done | tee "$folder/pagescrub-hot.txt" | awk '{ print $4 }' | sort -n |
    awk '{ r[NR] = $1 } END { printf "median ratio %.2f (goal: at least 1.5)\n", r[int((NR + 1) / 2)] }'
cat "$folder/pagescrub-hot.txt"
