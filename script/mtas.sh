#!/bin/sh
# mtas.sh -- fetches mail servers that send through us in the tests (test/live/mtas.py).
#
# Debian lets only one of them be installed, and that is Postfix. So the packages of the others are
# unpacked under test/live/mtas; what they are linked with script/deps.sh has installed.
set -eu
cd "$(dirname "$0")/../test/live"

if ! command -v dpkg-deb >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "mtas: not a Debian system; what tests them will fail" >&2
    exit 0
fi

for package in exim4-daemon-light opensmtpd nullmailer dma ssmtp; do
    [ ! -d "mtas/$package" ] || continue
    rm -rf "mtas/$package.new"
    mkdir -p "mtas/$package.new"
    (
        cd "mtas/$package.new"
        # The lists may know an older version than the mirror has.
        apt-get -q download "$package" || { apt-get -q update && apt-get -q download "$package"; }
        dpkg-deb -x ./*.deb .
        rm ./*.deb
    )
    mv "mtas/$package.new" "mtas/$package"
done
