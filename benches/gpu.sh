#!/usr/bin/env bash
# Everything worth knowing about a GPU, from a built program, in one JSON file.
#
#   PAGESCRUB=path/to/pagescrub benches/gpu.sh OUT.json [SIZE]      default: 16GiB
#   SOFTWARE=1 benches/gpu.sh OUT.json 256MiB     a smoke test on llvmpipe; judges nothing
#
# PAGESCRUB is target/release/pagescrub by default, FOLDER (/tmp) gets a data file of SIZE, which
# should fit into memory twice, ROUNDS (3) is how often each scan runs. Needs bash and POSIX tools,
# no cargo. What is measured: `devices`, `bench` with its GPU section, and scans of the file from
# the page cache with every engine and two readers, in turn (auto looks at GPUs from 256 GiB on). All scans must come to the same report
# apart from times and how they ran. Absolute speed drifts: only ratios within one run count.
#
# Vulkan needs its loader (libvulkan.so.1, Debian: libvulkan1) and the driver's manifest. Where
# `pagescrub devices` lists nothing although there is a GPU, name the manifest:
#   VK_DRIVER_FILES=/usr/share/vulkan/icd.d/nvidia_icd.json     (also in /etc/vulkan/icd.d)
# In containers, NVIDIA's needs NVIDIA_DRIVER_CAPABILITIES=all (or compute,graphics,utility), and
# loaders before 1.3.207 want VK_ICD_FILENAMES. WGPU_BACKEND and WGPU_ADAPTER_NAME are honoured.
#
# Exit codes: 0 measured, 1 something was wrong (results differ, a command failed), 2 usage or no
# GPU. Goals that are missed do not make it fail: they are in the file.
set -euo pipefail
export LC_ALL=C

[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1
size=${2:-16GiB}
program=${PAGESCRUB:-$(dirname "$0")/../target/release/pagescrub}
rounds=${ROUNDS:-3}
parent=${FOLDER:-/tmp}
if [ "${SOFTWARE:-0}" = 1 ]; then
    allow=(--allow-software-gpu)
    bench_options=(--memory 64MiB --rounds 2)
else
    allow=()
    # Fewer rounds would say less; more memory than any cache has.
    bench_options=(--memory 4GiB --gpu-memory 8GiB --rounds 7)
fi

tell() { printf '%s\n' "$*" >&2; }
give_up() { tell "gpu.sh: $1"; exit "${2:-1}"; }

[ -x "$program" ] || give_up "no program at $program; set PAGESCRUB, or: cargo build --release" 2
[ -d "$(dirname "$out")" ] || give_up "no folder for $out" 2
folder=$(mktemp -d "$parent/pagescrub-gpu.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
file=$folder/gpu.mdf

engines="cpu gpu hybrid auto"
readers="direct auto"

# --- what there is -----------------------------------------------------------------------------

"$program" devices --json "${allow[@]}" >"$folder/devices.json" || give_up "devices failed"
grep -q '"selected": true' "$folder/devices.json" || {
    cat "$folder/devices.json" >&2
    give_up "no usable GPU; see the head of this script" 2
}

# --- a file, before minutes are spent on something else ----------------------------------------

tell "generate $size"
"$program" generate "$file" --size "$size" --seed 7 >"$folder/generated.txt" ||
    give_up "cannot generate $size in $parent"
sync
bytes=$(wc -c <"$file")

# --- the device by itself ----------------------------------------------------------------------

tell "bench ${bench_options[*]}"
"$program" bench --json "${allow[@]}" "${bench_options[@]}" >"$folder/bench.json" ||
    give_up "bench failed with $?"
grep -q '"resident_bytes"' "$folder/bench.json" || {
    cat "$folder/bench.json" >&2
    give_up "bench could not measure the GPU"
}

# --- scans -------------------------------------------------------------------------------------

# What must be the same whatever the engine: a report without times and without how it was run.
# The report is printed with one key a line, so a top-level object ends at its own indent.
timeless() {
    awk '
        function flush() { if (is_held) print held; is_held = 0 }
        /^  "(run|throughput)": \{/ { skips = 1 }
        # The last key has no comma after it.
        /^\}$/ { sub(/,$/, "", held) }
        !skips { flush(); held = $0; is_held = 1 }
        /^  \},?$/ { skips = 0 }
        END { flush() }' "$1"
}

scan() { # ROUND ENGINE READER: one line of samples
    local round=$1 engine=$2 reader=$3 times code=0
    local report=$folder/report.json
    TIMEFORMAT='%R %U %S'
    # The page cache is warm: mapped memory is what `auto` then reads.
    cat "$file" >/dev/null
    times=$({ time "$program" scan "$file" --engine "$engine" --reader "$reader" "${allow[@]}" \
        --format json >"$report" 2>"$folder/scan.txt"; } 2>&1) || code=$?
    [ "$code" -le 1 ] || { cat "$folder/scan.txt" >&2; give_up "--engine $engine: exit $code"; }
    timeless "$report" >"$folder/timeless.json"
    if [ ! -e "$folder/first.json" ]; then
        cp "$folder/timeless.json" "$folder/first.json"
        grep -q '"verdict"' "$folder/first.json" || give_up "a report without a verdict"
    fi
    cmp -s "$folder/first.json" "$folder/timeless.json" || {
        diff "$folder/first.json" "$folder/timeless.json" | head -n 20 >&2 || true
        give_up "--engine $engine --reader $reader came to another report"
    }
    # How it was run says what a GPU did, or why none was used.
    if [ "$round" = "$rounds" ]; then
        awk '/^  "run": \{/ { on = 1 } on { print } /^  \},?$/ { on = 0 }' "$report" |
            sed -e '1s/.*/{/' -e '$s/.*/}/' >"$folder/run-$engine-$reader.json"
    fi
    echo "$round $engine $reader $times" >>"$folder/samples.txt"
}

# Round 0 warms up and does not count.
for round in $(seq 0 "$rounds"); do
    tell "scans, round $round of $rounds"
    for reader in $readers; do
        for engine in $engines; do
            scan "$round" "$engine" "$reader"
        done
    done
done

# An engine of which a GPU did nothing is not what it is called.
for reader in $readers; do
    grep -q '"pages": [1-9]' "$folder/run-gpu-$reader.json" ||
        give_up "--engine gpu --reader $reader: no GPU looked at a page"
    grep -q '"retired": null' "$folder/run-gpu-$reader.json" ||
        give_up "--engine gpu --reader $reader: the GPU was not used to the end"
done

# --- the file ----------------------------------------------------------------------------------

# One entry for each engine and reader: every round, medians, and medians of the ratios to the CPU
# of the same round.
scans() {
    awk -v bytes="$bytes" -v folder="$folder" '
        function median(list, n,    i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
                    t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
                }
            return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        }
        function listed(values, n,    i, text) {
            for (i = 1; i <= n; i++) text = text (i > 1 ? ", " : "") sprintf("%.3f", values[i])
            return "[" text "]"
        }
        $1 > 0 {
            key = $2 " " $3
            if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
            wall[$1, key] = $4 > 0 ? $4 : 0.001
            cpu[$1, key] = $5 + $6 > 0 ? $5 + $6 : 0.001
            if ($1 > last) last = $1
        }
        END {
            for (k = 1; k <= keys; k++) {
                split(order[k], part, " ")
                base = "cpu " part[2]
                for (r = 1; r <= last; r++) {
                    w[r] = wall[r, order[k]]; c[r] = cpu[r, order[k]]
                    f[r] = wall[r, base] / w[r]; s[r] = c[r] / cpu[r, base]
                }
                printf "%s    {\n", (k > 1 ? ",\n" : "")
                printf "      \"engine\": \"%s\", \"reader\": \"%s\",\n", part[1], part[2]
                printf "      \"wall_seconds\": %s, \"cpu_seconds\": %s,\n", listed(w, last),
                    listed(c, last)
                printf "      \"gb_per_second\": %.3f,", bytes / 1e9 / median(w, last)
                printf " \"cpu_seconds_per_gib\": %.4f,\n", median(c, last) * 1073741824 / bytes
                printf "      \"times_as_fast_as_cpu\": %.3f,", median(f, last)
                printf " \"cpu_seconds_of_cpu\": %.3f,\n      \"run\": ", median(s, last)
                name = folder "/run-" part[1] "-" part[2] ".json"
                while ((getline line < name) > 0) print line
                close(name)
                printf "    }"
            }
            print ""
        }' "$folder/samples.txt"
}

goals() { # of the first GPU, without the key
    awk '/"goals": \[/ { on = 1; print "["; next } on { print } on && /^ *\],?$/ { exit }' \
        "$folder/bench.json" | sed '$s/,$//'
}

section() { # NAME FILE: a document inside of ours
    printf '  "%s": ' "$1"
    cat "$2"
    printf '  ,\n'
}

name=$(awk '
    /"adapters"/ { on = 1 }
    on && /"name":/ { name = $0 }
    /"selected": true/ { print name; exit }' "$folder/devices.json" | sed -e 's/.*"name": //' -e 's/,$//')
{
    printf '{\n  "schema": "pagescrub.gpu-bench/1",\n'
    printf '  "device": %s,\n' "$name"
    printf '  "judged": %s,\n' "$([ "${SOFTWARE:-0}" = 1 ] && echo false || echo true)"
    printf '  "file_bytes": %s,\n  "rounds": %s,\n  "reports_identical": true,\n' "$bytes" "$rounds"
    goals >"$folder/goals.json"
    section goals "$folder/goals.json"
    section devices "$folder/devices.json"
    section bench "$folder/bench.json"
    section scan_result "$folder/first.json"
    printf '  "scans": [\n'
    scans
    printf '  ]\n}\n'
} >"$folder/out.json"
cat "$folder/out.json" >"$out" || give_up "cannot write $out" 2

# --- in short ----------------------------------------------------------------------------------

tell ""
tell "$name, $bytes bytes; goals (see \"goals\" in $out):"
awk '
    /"goals": \[/ { on = 1 }
    on && /"(what|reached|at_least|at_most|is_met)":/ {
        sub(/^ */, ""); sub(/,$/, ""); gsub(/"/, ""); line = line (line == "" ? "" : "; ") $0
    }
    on && /^is_met:/ { print "  " line; line = "" }
    on && /^ *\],?$/ { on = 0 }' "$folder/bench.json" >&2
awk '
    /"engine":.*"reader":/ { gsub(/[",]/, ""); name = $2 ", " $4 }
    /"gb_per_second":/ { gsub(/,/, ""); speed = $2; cost = $4 }
    /"times_as_fast_as_cpu":/ {
        gsub(/,/, "")
        printf "  scan %-16s %8.2f GB/s %8.3f CPU s/GiB %7.2f x cpu %7.2f of its CPU time\n", name,
            speed, cost, $2, $4
    }' <(scans) >&2
tell "written: $out"
