#!/bin/sh
# run_fuzz.sh -- builds the fuzzers and runs each for some seconds over its corpus.
#
#   test/run_fuzz.sh [SECONDS [JUNIT.xml [TARGET...]]]
#
# New inputs found on the way go to build-fuzz/found/TARGET, crashes to build-fuzz/crash/; a crash
# is repeated with: build-fuzz/test/fuzz/fuzz_TARGET FILE
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-5}
report=${2:-}
shift $(($# < 2 ? $# : 2))

if [ ! -f build-fuzz/build.ninja ]; then
    CC=clang-14 meson setup build-fuzz -Dfuzz=true -Dtests=disabled -Dwerror=true || exit 1
fi
ninja -C build-fuzz || exit 1

if [ $# -eq 0 ]; then
    for fuzzer in build-fuzz/test/fuzz/fuzz_*; do
        [ -f "$fuzzer" ] && [ -x "$fuzzer" ] && set -- "$@" "${fuzzer##*/fuzz_}"
    done
fi
[ $# -gt 0 ] || { echo "no fuzzers were built" >&2; exit 1; }

# fuzz TARGET: the log is its result.
fuzz() {
    mkdir -p "build-fuzz/found/$1" build-fuzz/crash
    set -- "$1" "build-fuzz/test/fuzz/fuzz_$1" "build-fuzz/found/$1" "test/fuzz/corpus/$1"
    [ -d "$4" ] || mkdir -p "build-fuzz/empty"
    [ -d "$4" ] || set -- "$1" "$2" "$3" build-fuzz/empty
    # The committed corpus first, each file once; then look for more.
    "$2" -runs=0 -timeout=10 -artifact_prefix="build-fuzz/crash/$1-" "$4" &&
        { [ "$seconds" -eq 0 ] ||
            "$2" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
                -artifact_prefix="build-fuzz/crash/$1-" "$3" "$4"; }
}

failed=0
cases=
one() {
    begin=$(date +%s)
    if fuzz "$1" >"build-fuzz/$1.log" 2>&1; then
        echo "ok      $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$1.log") runs"
        touch "build-fuzz/$1.ok"
    else
        echo "FAILED  $1"
        tail -n 30 "build-fuzz/$1.log"
    fi
    echo $(($(date +%s) - begin)) >"build-fuzz/$1.seconds"
}

# Two at a time.
rm -f build-fuzz/*.ok
running=
for target in "$@"; do
    one "$target" &
    if [ -n "$running" ]; then
        wait "$running"
        running=
    fi
    running=$!
done
wait

for target in "$@"; do
    body=
    if [ ! -f "build-fuzz/$target.ok" ]; then
        failed=$((failed + 1))
        body='<failure message="see build-fuzz/'$target'.log"/>'
    fi
    cases="$cases<testcase classname=\"fuzz\" name=\"$target\" time=\"$(cat "build-fuzz/$target.seconds")\">$body</testcase>"
done
if [ -n "$report" ]; then
    echo "<testsuite name=\"fuzz\" tests=\"$#\" failures=\"$failed\">$cases</testsuite>" >"$report"
fi
echo "$# fuzzers, $failed failed"
[ $failed -eq 0 ]
