#!/usr/bin/env bash
# A whole scan against other tools that read every byte of a file, side by side.
#
#   benches/peers.sh [FILE_SIZE] [FOLDER]        defaults: 4GiB in a new folder under /tmp
#   ROUNDS=5 benches/peers.sh 1GiB /var/tmp
#
# Needs twice FILE_SIZE of disk in FOLDER (databases of up to 1 GiB are made there) and more memory
# than FILE_SIZE. Whatever is not installed is listed as not measured, with the reason; b3sum
# comes with `cargo install b3sum`. As root, databases can be made and fio gets huge pages. Hot runs
# find their input in the page cache, cold ones do not. Rounds are interleaved: only ratios within
# one run count.
#
# Database checkers read a cluster or tablespace of their own, made here, with pages of 8 and
# 16 KiB: they are compared per byte, not on the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
size=${1:-4GiB}
parent=${2:-/tmp}
rounds=${ROUNDS:-5}
program=$PWD/target/release/pagescrub
folder=$(mktemp -d "$parent/pagescrub-peers.XXXXXX")
chmod 755 "$folder"
file=$folder/peers.mdf
samples=$folder/samples.txt
skipped=$folder/skipped.txt
: >"$samples"
: >"$skipped"
huge_pages_before=""

is_root() { [ "$(id -u)" = 0 ]; }
have() { command -v "$1" >/dev/null 2>&1; }
not_measured() { printf '%-22s not measured: %s\n' "$1" "$2" >>"$skipped"; }
tell() { printf '%s\n' "$*" >&2; }

tidy() {
    if [ -n "$huge_pages_before" ]; then
        echo "$huge_pages_before" >/proc/sys/vm/nr_hugepages || true
    fi
    rm -rf "$folder"
}
trap tidy EXIT
trap 'exit 130' INT TERM

# --- peers: one function each, all reading everything once ------------------------------------

peer_scan() { "$program" scan "$file" || [ $? = 1 ]; }
peer_scan_direct() { "$program" scan --reader direct "$file" || [ $? = 1 ]; }
peer_cat() { cat "$file" >/dev/null; }
peer_dd() { dd if="$file" of=/dev/null bs=256K; }
peer_two_dd() {
    local half=$((bytes / 262144 / 2))
    dd if="$file" of=/dev/null bs=256K count="$half" &
    dd if="$file" of=/dev/null bs=256K skip="$half" &
    wait
}
peer_xxhsum() { xxhsum -H2 "$file"; }
peer_b3sum() { b3sum "$file"; }
peer_cksum() { cksum "$file"; }
peer_fio() {
    fio --name=peer --filename="$file" --rw=read --bs=512k --iodepth=16 --ioengine=io_uring \
        --direct=1 --fixedbufs=1 --iomem="$fio_memory" --readonly --allow_file_create=0 \
        --output-format=terse
}
peer_pg_checksums() { as_postgres "$pg_bin/pg_checksums" --check -D "$pg_data"; }
peer_innochecksum() { innochecksum "$inno_file"; }

# --- what is there -----------------------------------------------------------------------------

hot_peers=(scan)
cold_peers=(scan)

offer() { # NAME PROGRAM [INSTALL]: a peer for hot and cold rounds, if the program is there
    if have "$2"; then
        hot_peers+=("$1")
        cold_peers+=("$1")
    else
        not_measured "$1" "no $2 on PATH${3:+; $3}"
    fi
}

offer_fio() {
    if ! have fio; then
        not_measured fio "no fio on PATH"
        return
    fi
    fio_memory=malloc
    if is_root && [ -w /proc/sys/vm/nr_hugepages ]; then
        huge_pages_before=$(cat /proc/sys/vm/nr_hugepages)
        echo 64 >/proc/sys/vm/nr_hugepages || true
    fi
    if [ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 8 ]; then
        fio_memory=mmaphuge
    fi
    if peer_fio >"$folder/fio.txt" 2>&1; then
        # It reads past the page cache, so there is nothing to measure hot.
        cold_peers+=(fio)
        tell "fio with $fio_memory buffers"
    else
        not_measured fio "$(tail -n 1 "$folder/fio.txt")"
    fi
}

offer_direct() {
    if "$program" scan --reader direct datasets/healthy.mdf >/dev/null 2>&1; then
        cold_peers+=(scan_direct)
    else
        not_measured scan_direct "this build or system has no direct reader"
    fi
}

as_postgres() {
    if is_root; then
        runuser -u postgres -- env LC_ALL=C "$@"
    else
        env LC_ALL=C "$@"
    fi
}

offer_pg_checksums() {
    pg_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$pg_bin" ] || [ ! -x "$pg_bin/pg_checksums" ]; then
        not_measured pg_checksums "no PostgreSQL server under /usr/lib/postgresql"
        return
    fi
    pg_data=$folder/pg
    mkdir "$pg_data"
    if is_root && ! chown postgres "$pg_data" 2>/dev/null; then
        not_measured pg_checksums "no user postgres"
        return
    fi
    if make_cluster >"$folder/pg.txt" 2>&1; then
        hot_peers+=(pg_checksums)
        cold_peers+=(pg_checksums)
    else
        not_measured pg_checksums "no cluster: $(tail -n 1 "$folder/pg.txt")"
    fi
}

make_cluster() { # rows of about 1 KiB, seven to a page
    local rows=$((database_bytes * 7 / 8192))
    as_postgres "$pg_bin/initdb" -k --no-sync -U postgres -D "$pg_data" || return 1
    as_postgres "$pg_bin/postgres" --single -c fsync=off -c max_wal_size=16GB \
        -D "$pg_data" postgres <<SQL || return 1
create table peer (i int, text text)
alter table peer alter column text set storage plain
insert into peer select i, repeat(md5(i::text), 32) from generate_series(1, $rows) i
checkpoint
SQL
    [ "$(bytes_of pg_checksums)" -ge $((database_bytes / 2)) ] || {
        echo "the table was not filled"
        return 1
    }
}

offer_innochecksum() {
    if ! have innochecksum || ! have mariadbd; then
        not_measured innochecksum "no innochecksum and mariadbd on PATH"
        return
    fi
    inno_data=$folder/inno
    inno_file=$inno_data/peer/rows.ibd
    mkdir -p "$inno_data/peer"
    if make_tablespace >"$folder/inno.txt" 2>&1 && [ -s "$inno_file" ]; then
        hot_peers+=(innochecksum)
        cold_peers+=(innochecksum)
    else
        not_measured innochecksum "no tablespace: $(tail -n 1 "$folder/inno.txt")"
    fi
}

make_tablespace() { # doubled from 64 rows of about 1.2 KiB; one statement a line, as it wants
    local rows=64 seeds
    mapfile -t seeds < <(seq $((rows - 1)))
    {
        echo "create table peer.rows (id int auto_increment primary key," \
            "text varchar(1200) character set latin1) engine=innodb;"
        printf 'insert into peer.rows (text) values (repeat(md5(0), 36))'
        printf ', (repeat(md5(%d), 36))' "${seeds[@]}"
        echo ";"
        while [ $((rows * 1280)) -lt "$database_bytes" ]; do
            rows=$((rows * 2))
            echo "insert into peer.rows (text) select text from peer.rows;"
        done
    } >"$folder/inno.sql"
    timeout 600 mariadbd --no-defaults --bootstrap --datadir="$inno_data" --user="$(id -un)" \
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-fast-shutdown=0 \
        <"$folder/inno.sql"
}

bytes_of() { # a peer's input
    case $1 in
    pg_checksums) du -cb "$pg_data/base" "$pg_data/global" | awk 'END { print $1 }' ;;
    innochecksum) stat -c %s "$inno_file" ;;
    *) echo "$bytes" ;;
    esac
}

# --- measuring ---------------------------------------------------------------------------------

inputs() { # of a peer, as files
    case $1 in
    pg_checksums) find "$pg_data/base" "$pg_data/global" -type f -size +1M ;;
    innochecksum) echo "$inno_file" ;;
    *) echo "$file" ;;
    esac
}
hot() { inputs "$1" | xargs -d '\n' cat >/dev/null; }
cold() { # only its input: programs stay where they are
    inputs "$1" | while IFS= read -r input; do
        dd if="$input" iflag=nocache count=0 status=none
    done
}
cached_mib() { # of a peer's input
    if have fincore; then
        inputs "$1" | xargs -d '\n' fincore -b -n -o RES |
            awk '{ s += $1 } END { print int(s / 1048576) }'
    else
        awk '/^Cached:/ { print int($2 / 1024) }' /proc/meminfo
    fi
}

# What a peer took. fio's own clock: a third of a second goes by before it begins.
seconds_of() { # PEER "REAL USER SYS"
    local real=${2%% *}
    if [ "$1" = fio ]; then
        real=$(awk -F ';' 'NF > 9 { print $9 / 1000; exit }' "$folder/fio.txt")
    fi
    echo "$real ${2#* }"
}

measure() { # STATE ROUND PEER: one line of samples
    local state=$1 round=$2 peer=$3 before times
    "$state" "$peer"
    before=$(cached_mib "$peer")
    TIMEFORMAT='%R %U %S'
    # A tool that finds its own database wanting would be measured all the same: it has read it.
    times=$({ time "peer_$peer" >"$folder/$peer.txt" 2>&1 || true; } 2>&1)
    echo "$state $round $peer $(bytes_of "$peer") $(seconds_of "$peer" "$times")" \
        "$(($(cached_mib "$peer") - before))" >>"$samples"
}

run_rounds() { # STATE PEER...
    local state=$1 round peer
    shift
    for round in $(seq 0 "$rounds"); do
        tell "$state, round $round of $rounds"
        for peer in "$@"; do
            measure "$state" "$round" "$peer"
        done
    done
}

# Round 0 warms up and does not count.
report() { # STATE
    awk -v state="$1" '
        function median(list, n,    i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
                    t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
                }
            return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        }
        $1 == state && $2 > 0 {
            speed[$2, $3] = $4 / 1e9 / ($5 > 0 ? $5 : 0.001)
            cpu[$2, $3] = ($6 + $7) * 1073741824 / $4
            growth[$2, $3] = $8
            if (!($3 in seen)) { seen[$3] = 1; order[++peers] = $3 }
            if ($2 > last) last = $2
        }
        END {
            printf "%-22s %8s %12s %11s %14s %12s\n", state, "GB/s", "CPU s/GiB",
                "cache MiB", "scan/it, GB/s", "it/scan, CPU"
            for (p = 1; p <= peers; p++) {
                name = order[p]; own = name ~ /^scan/ ? name : "scan"
                if (state == "cold" && name !~ /^scan/ && "scan_direct" in seen) own = "scan_direct"
                for (r = 1; r <= last; r++) {
                    s[r] = speed[r, name]; c[r] = cpu[r, name]; g[r] = growth[r, name]
                    f[r] = speed[r, own] / s[r]
                    l[r] = c[r] / (cpu[r, own] > 0 ? cpu[r, own] : 0.001)
                }
                printf "%-22s %8.2f %12.3f %11d %14.2f %12.2f\n", name, median(s, last),
                    median(c, last), median(g, last), median(f, last), median(l, last)
            }
        }' "$samples"
}

peak_rss() {
    # Reserved huge pages would not be counted.
    [ -z "$huge_pages_before" ] || echo "$huge_pages_before" >/proc/sys/vm/nr_hugepages
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f '%M' "$program" scan "$file" 2>&1 >/dev/null | tail -n 1 |
            awk '{ printf "peak resident memory of a scan: %.0f MiB\n", $1 / 1024 }'
    else
        echo "peak resident memory: not measured, no /usr/bin/time"
    fi
}

# --- the run -----------------------------------------------------------------------------------

cargo build --release --quiet
"$program" generate "$file" --size "$size" --seed 7 >&2
bytes=$(stat -c %s "$file")
database_bytes=$((bytes / 4 < 1073741824 ? bytes / 4 : 1073741824))
sync

offer cat cat
offer dd dd
offer two_dd dd
offer xxhsum xxhsum
offer b3sum b3sum "cargo install b3sum"
offer cksum cksum
tell "making a PostgreSQL cluster and an InnoDB tablespace"
offer_pg_checksums
offer_innochecksum
offer_fio
offer_direct

run_rounds hot "${hot_peers[@]}"
run_rounds cold "${cold_peers[@]}"

echo "$(nproc) cores, $((bytes >> 20)) MiB, medians of $rounds interleaved rounds;" \
    "goal: 2.0 times as fast as two_dd, with half its CPU time"
echo
report hot
echo
report cold
echo
peak_rss
cat "$skipped"
