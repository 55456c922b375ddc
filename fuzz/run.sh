#!/usr/bin/env bash
# Fuzzes each target for some seconds (60, or the first argument). Needs nightly and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
targets=(mtf container xpress)

if ! command -v clang++ >/dev/null && ! command -v c++ >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends g++
fi

# What cargo-fuzz would pass, without cargo-fuzz: coverage, assertions, no AddressSanitizer, since
# what is fuzzed here has no unsafe code.
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1"
cargo +nightly build --release --target "$host" --bins
fuzz() {
    mkdir -p "corpus/$1"
    local said=0 log="artifacts-$1.log"
    "target/$host/release/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -max_len=262144 -print_final_stats=1 -artifact_prefix="artifacts-$1-" \
        "corpus/$1" "seeds/$1" >"$log" 2>&1 || said=$?
    echo "== $1, $seconds s"
    tail -n 20 "$log"
    return "$said"
}
export -f fuzz
export host seconds

# As many at once as there are cores.
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
