#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   scripts/portable.sh PROGRAM VERSION FOLDER     (make portable)
#
# Packs FOLDER/svcdoctor-VERSION-x86_64.tar.gz: the program with all shared libraries that it needs, the loader, and a launcher, so that it
# runs from any folder of any x86-64 Linux from kernel 3.2 on. The same program and libraries give the same bytes.
set -eu
LC_ALL=C
export LC_ALL
program=$1 version=$2 folder=$3
here=$(dirname "$0")
CC=${CC:-cc}

die() {
	echo "scripts/portable.sh: $*" >&2
	exit 1
}
[ "$(uname -sm)" = "Linux x86_64" ] || die "this is made on x86-64 Linux, for x86-64 Linux"
case $version in *[!A-Za-z0-9.+~-]* | '') die "'$version' is no version" ;; esac
name=svcdoctor-$version-x86_64

staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
top=$staged/$name
install -d "$top/lib" "$top/licenses"
umask 022

# ---- the program and what it loads ----

install -m 755 "$program" "$top/lib/svcdoctor"
strip "$top/lib/svcdoctor" 2>/dev/null || true

ldd "$program" >"$staged/ldd" || die "ldd cannot read '$program'"
if grep -q 'not found' "$staged/ldd"; then
	die "a library is missing: $(grep 'not found' "$staged/ldd")"
fi
# "libx.so.1 => /lib/libx.so.1 (0x...)", "/lib64/ld-linux-x86-64.so.2 (0x...)"
awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 } $1 ~ /^\// { n = split($1, p, "/"); print p[n], $1 }' "$staged/ldd" >"$staged/libraries"
grep -q '^ld-linux-x86-64.so.2 ' "$staged/libraries" || die "'$program' is not linked with the loader of glibc"
# Names are looked up by modules that nothing is linked with; newer versions of glibc have them in libc itself.
libc=$(awk '$1 == "libc.so.6" { print $2 }' "$staged/libraries")
for module in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
	if [ -e "${libc%/*}/$module" ] && ! grep -q "^$module " "$staged/libraries"; then
		echo "$module ${libc%/*}/$module" >>"$staged/libraries"
	fi
done
sort -u "$staged/libraries" -o "$staged/libraries"
while read -r soname file; do
	install -m 644 "$(readlink -f "$file")" "$top/lib/$soname"
done <"$staged/libraries"
chmod 755 "$top/lib/ld-linux-x86-64.so.2"

# ---- its names ----

# shellcheck disable=SC2086 # CC may carry flags
$CC -std=gnu11 -Os -Wall -Wextra -static -s -Wl,--build-id=none -ffile-prefix-map="$here"=. -o "$top/svcdoctor" "$here/portable-launcher.c"
ln -s svcdoctor "$top/kubectl-svcdoctor"
ln -s svcdoctor "$top/kubectl_complete-svcdoctor"

# ---- papers ----

install -m 644 "$here/../LICENSE" "$top/LICENSE"
for page in "$here"/../man/*.[1-9]; do
	install -D -m 644 "$page" "$top/man/man${page##*.}/${page##*/}"
done
# Which packages they come from: a file is listed with or without /usr in front, as it was when that became a link.
packages_of() { # FILE...
	for f in "$@"; do
		set -- "$@" "${f#/usr}" "/usr$f"
	done
	dpkg-query -S "$@" 2>/dev/null | cut -d: -f1 | sort -u
}
: >"$staged/packages"
if command -v dpkg-query >/dev/null 2>&1; then
	# shellcheck disable=SC2046 # paths of libraries
	packages_of $(while read -r _ file; do readlink -f "$file"; done <"$staged/libraries") >"$staged/packages" || true
fi
while read -r package; do
	if [ -e "/usr/share/doc/$package/copyright" ]; then
		install -m 644 "$(readlink -f "/usr/share/doc/$package/copyright")" "$top/licenses/$package"
	fi
	dpkg-query -W -f '    ${binary:Package} ${Version} (source ${source:Package} ${source:Version})\n' "$package" | head -n 1
done <"$staged/packages" >"$staged/versions"
{
	cat <<EOF
svcdoctor $version for x86-64 Linux, with everything that it needs

Unpack it into any folder and run ./svcdoctor; the manual pages are in man (man -l man/man1/svcdoctor.1). To use it as a plugin of kubectl,
put the folder on the path, or symbolic links to kubectl-svcdoctor and kubectl_complete-svcdoctor:

    ./svcdoctor demo
    ./svcdoctor diagnose -A
    sudo ./svcdoctor verify --node live
    ln -s "\$PWD/kubectl-svcdoctor" "\$PWD/kubectl_complete-svcdoctor" /usr/local/bin/

It brings its libraries and their loader along and uses none of the machine's. The certificates of authorities are the machine's;
SSL_CERT_FILE=/path/to/bundle.pem says where they are, if they are not found.

svcdoctor is free software under the GNU General Public License, version 2 or later (LICENSE). The licences of the libraries are in licenses,
by the packages that they come from:

EOF
	cat "$staged/versions"
} >"$top/README"

# ---- the tar ----

install -d "$folder"
find "$top" -type d -exec chmod 755 {} +
tar -C "$staged" --sort=name --format=ustar --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -n "${PORTABLE_GZIP:--9}" >"$folder/$name.tar.gz.new"
mv "$folder/$name.tar.gz.new" "$folder/$name.tar.gz"
echo "$folder/$name.tar.gz"
