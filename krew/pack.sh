#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   krew/pack.sh PROGRAM FOLDER/service-doctor-linux-ARCH.tar.gz
#
# Packs PROGRAM, the same bytes from the same program, and writes the manifest FOLDER/service-doctor.yaml for every archive of that name
# in FOLDER: those of other machines are put there before. $KREW_URI is the folder where the archives will lie, $KREW_HOMEPAGE and
# $KREW_VERSION say the rest.
set -eu
program=$1 archive=$2
folder=$(dirname "$archive")
here=$(dirname "$0")
manifest=$folder/service-doctor.yaml

die() {
	echo "krew/pack.sh: $*" >&2
	exit 64
}
check_url() { # NAME VALUE
	case $2 in
	'') die "$1 is not given: make krew KREW_URI=https://HOST/FOLDER/ KREW_HOMEPAGE=https://HOST/PATH" ;;
	*[!A-Za-z0-9/:._~%+-]*) die "$1 is no plain address: '$2'" ;;
	https://?*) ;;
	*) die "$1 must begin with https://, not '$2'" ;;
	esac
}
check_url KREW_URI "${KREW_URI:-}"
check_url KREW_HOMEPAGE "${KREW_HOMEPAGE:-}"
# Semantic versioning, with the v that krew wants.
echo "${KREW_VERSION:-}" | grep -Eqx 'v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?' ||
	die "KREW_VERSION is no version such as v1.2.3: '${KREW_VERSION:-}'"

mkdir -p "$folder"
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
install -m 755 "$program" "$staged/svcdoctor"
strip "$staged/svcdoctor" 2>/dev/null || true
install -m 644 "$here/../LICENSE" "$staged/LICENSE"
tar -C "$staged" --sort=name --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - LICENSE svcdoctor | gzip -9n >"$archive.new"
mv "$archive.new" "$archive"

fill() { # ARCH SHA256 : of stdin
	sed -e "s|@VERSION@|$KREW_VERSION|; s|@HOMEPAGE@|$KREW_HOMEPAGE|; s|@URI@|${KREW_URI%/}/|; s|@ARCH@|$1|g; s|@SHA256@|$2|" -e '/^#/d'
}
{
	sed '/^  - selector:/,$d' "$here/service-doctor.yaml" | fill '' ''
	for a in "$folder"/service-doctor-linux-*.tar.gz; do
		arch=${a##*-linux-}
		arch=${arch%.tar.gz}
		case $arch in *[!a-z0-9_]*) die "'$a' is of no architecture" ;; esac
		sum=$(sha256sum "$a")
		sed -n '/^  - selector:/,$p' "$here/service-doctor.yaml" | fill "$arch" "${sum%% *}"
	done
} >"$manifest.new"
mv "$manifest.new" "$manifest"
echo "$manifest"
