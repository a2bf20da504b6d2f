#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What has to be on the machine to build, to test, to fuzz and to measure, as Debian package names.
#
#   scripts/deps.sh test SET...      exit 0 when nothing is missing, else the line that installs it, exit 1
#   scripts/deps.sh install SET...   installs what is missing where it may (root, or sudo without a password), else the same
#
# SET is build, check, fuzz or bench. Each need is probed by what it is for, not by asking dpkg, so that
# a library that was installed in another way counts too. Never reads stdin.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
CC=${CC:-cc}
# pkg-config modules, each with the oldest version that is supported; the Makefile passes the list that it links.
MODULES=${MODULES:-jansson:2.13 libarchive:3.4 libcurl:7.77 libmd:1 yaml-0.1:0.1 zlib:1.2 libcares:1.17 libmnl:1.0 libnl-3.0:3.4 libnl-genl-3.0:3.4}

missing=
wanted=
want() { # PACKAGE... : as need, but nothing fails for the lack of it
	wanted="$wanted $*"
}
need() { # PACKAGE...
	for p in "$@"; do
		case " $missing " in *" $p "*) ;; *) missing="$missing $p" ;; esac
	done
}
has() { command -v "$1" >/dev/null 2>&1; }
has_module() { pkg-config --atleast-version="${1#*:}" "${1%%:*}" 2>/dev/null; }
compiles() { # COMPILER FLAGS... : does a program with main() link
	dir=$(mktemp -d) || return 1
	echo 'int main(void) { return 0; }' >"$dir/a.c"
	"$@" -o "$dir/a" "$dir/a.c" >/dev/null 2>&1 </dev/null
	r=$?
	rm -rf "$dir"
	return $r
}
package_of_module() {
	case $1 in
	jansson*) echo libjansson-dev ;;
	libarchive*) echo libarchive-dev ;;
	libcurl*) echo libcurl4-openssl-dev ;;
	libmd*) echo libmd-dev ;;
	yaml-0.1*) echo libyaml-dev ;;
	zlib*) echo zlib1g-dev ;;
	libcares*) echo libc-ares-dev ;;
	libmnl*) echo libmnl-dev ;;
	libnl-3*) echo libnl-3-dev ;;
	libnl-genl*) echo libnl-genl-3-dev ;;
	cmocka*) echo libcmocka-dev ;;
	esac
}

probe_modules() {
	for m in "$@"; do
		has pkg-config && has_module "$m" || need "$(package_of_module "$m")"
	done
}
probe_build() {
	case $CC in *clang*) has "${CC%% *}" || need clang ;; esac
	# shellcheck disable=SC2086 # CC may carry flags
	case $CC in *clang*) ;; *) compiles $CC || need gcc libc6-dev ;; esac
	has pkg-config || need pkg-config
	# shellcheck disable=SC2086 # a list
	probe_modules $MODULES
	has tar && has gzip || need tar gzip
}
fuzzer_links() {
	dir=$(mktemp -d) || return 1
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n); int LLVMFuzzerTestOneInput(const char *d, unsigned long n)
	{ (void)d; (void)n; return 0; }' >"$dir/a.c"
	clang -fsanitize=fuzzer,address,undefined -o "$dir/a" "$dir/a.c" >/dev/null 2>&1 </dev/null
	r=$?
	rm -rf "$dir"
	return $r
}
probe_fuzz() {
	has clang && fuzzer_links || need clang libclang-rt-dev libc6-dev
}
probe_check() {
	probe_modules cmocka:1.1
	probe_fuzz
	has python3 || need python3
	python3 -c 'import sys; sys.path.append("/usr/lib/python3/dist-packages"); import h2.connection' 2>/dev/null || need python3-h2
	python3 -c 'import sys; sys.path.append("/usr/lib/python3/dist-packages"); import yaml' 2>/dev/null || need python3-yaml
	has openssl || need openssl
	has curl || need curl
	has kubectl || want kubernetes-client # not every distribution has it; what needs it is skipped then
	has bash || need bash
	has zsh || need zsh
	has fish || need fish
	has mandoc || need mandoc
	has iptables-nft-restore && has iptables-legacy-restore || need iptables
	has nft || need nftables
	has conntrack || need conntrack
	has ipset || need ipset
	has nfacct || need nfacct
	has sysctl || need procps
	# A kernel with IPVS to judge by; not every distribution has it, and what needs it is skipped then.
	if [ "$(uname -m)" = x86_64 ]; then
		has linux.uml && has modprobe && has ipvsadm || want user-mode-linux kmod ipvsadm
	fi
	# Name servers to judge by; not every distribution has all of them, and what needs them is skipped then.
	has knotd && has unbound && has dnsmasq || want knot unbound dnsmasq-base
	has dig || want bind9-dnsutils
	has xz || need xz-utils
	has ip || need iproute2
	has musl-gcc || want musl-tools # what it asks for a name is held against lib/names; only the version of Debian 12 is
	has setpriv && has unshare || need util-linux
	has strace || need strace
	has dash || need dash
	has busybox || need busybox-static # statically linked: it is all that there is where the portable program is tried
	has size || need binutils
}
probe_bench() {
	has python3 || need python3
	has iptables-legacy-restore || need iptables
	[ -x /usr/bin/time ] || need time
	python3 -c 'import sys; sys.path.append("/usr/lib/python3/dist-packages"); import h2.connection' 2>/dev/null || need python3-h2
	has openssl || need openssl
	has curl || need curl
	has nginx || want nginx-light # serves the lists of a live cluster at full speed
	has unshare || need util-linux
}

action=${1:-}
[ $# -gt 0 ] && shift
case $action in test | install) ;; *)
	echo "usage: scripts/deps.sh test|install build|check|fuzz|bench..." >&2
	exit 64
	;;
esac
probe() {
	missing=
	wanted=
	for set in "$@"; do
		"probe_$set"
	done
}
probe "$@"
if [ -n "$wanted" ] && [ "$action" = install ] && has apt-get; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	# shellcheck disable=SC2086 # lists
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -qq install --no-install-recommends $wanted \
		</dev/null >/dev/null 2>&1 || true
fi
[ -z "$missing" ] && exit 0

line="apt-get install -y --no-install-recommends$missing"
[ "$(id -u)" = 0 ] || line="sudo $line"
refuse() {
	echo "something that is needed here is missing${1:+ ($1)}; on Debian this installs it:" >&2
	echo "    $line" >&2
	exit 1
}
[ "$action" = test ] && refuse ""
has apt-get || refuse "and there is no apt-get to install it with"
sudo=
if [ "$(id -u)" != 0 ]; then
	has sudo && sudo -n true 2>/dev/null </dev/null || refuse "and this user may not install packages"
	sudo="sudo -n"
fi

apt_get() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -y -qq "$@" </dev/null
}
echo "installing:$missing" >&2
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list
if ! apt_get install --no-install-recommends $missing >"$log" 2>&1; then
	# The package lists are missing or old.
	apt_get update >>"$log" 2>&1
	if ! apt_get install --no-install-recommends $missing >>"$log" 2>&1; then
		cat "$log" >&2
		refuse "and apt-get failed"
	fi
fi
probe "$@"
if [ -n "$missing" ]; then
	cat "$log" >&2
	echo "still missing after the installation:$missing" >&2
	exit 1
fi
