#!/bin/sh
# deps.sh -- installs the Debian packages we need and do not have yet.
#
#   script/deps.sh build        what compiling and running takes
#   script/deps.sh build test   and what the tests take
#
# Quick when nothing is missing. As root, or through sudo. Nothing already installed is removed, and
# no service that comes with a package is started.
set -eu

build="build-essential meson ninja-build pkg-config ca-certificates libuv1-dev libbearssl-dev
    libudns-dev libsodium-dev libcrypt-dev libidn2-dev libunistring-dev"
test="libcmocka-dev clang-14 libclang-rt-14-dev valgrind openssl curl swaks libnet-ssleay-perl
    python3 python3-pytest python3-dnspython unbound postfix sasl2-bin libsasl2-modules prometheus
    libfaketime mailutils s-nail mutt php-cli git git-email libmailtools-perl fail2ban gsasl haproxy
    msmtp neomutt esmtp python3-aiosmtplib libphp-phpmailer ruby libauthen-sasl-perl libio-socket-ssl-perl
    libgnutls-dane0 libgnutls-openssl27 libidn12 libdb5.3 libnsl2 libevent-2.1-7 libpam0g"

wanted=
for set in "$@"; do
    case $set in
    build) wanted="$wanted $build" ;;
    test)
        wanted="$wanted $test"
        # A node from elsewhere does as well as Debian's.
        command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
        command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
        ;;
    *)
        echo "usage: script/deps.sh build [test]" >&2
        exit 2
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: not a Debian system; these must be there already:" $wanted >&2
    exit 0
fi

missing=
for package in $wanted; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
    *" ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "deps: as root, please: apt-get install$missing" >&2
        exit 1
    fi
    root=sudo
fi
echo "deps: installing$missing"

apt() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
        -o DPkg::Lock::Timeout=120 "$@"
}

# Services of these packages must not start: the tests start their own, on their own ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    $root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap '$root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
fi
case $missing in
*postfix*)
    # No main.cf of the system: each test brings its own.
    echo "postfix postfix/main_mailer_type select No configuration" |
        $root debconf-set-selections 2>/dev/null || true
    ;;
esac

log=$(mktemp)
if ! { apt update && apt install --no-install-recommends --no-remove $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "deps: apt-get could not install:$missing" >&2
    exit 1
fi
rm -f "$log"
