#!/bin/sh
# fetch.sh VERSION FOLDER puts the Go of that version into a folder, for a
# machine that has none or one that is too old. It comes as the module by which
# Go upgrades itself, so that Go's checksum database vouches for it. Whatever Go
# is in PATH fetches it; where there is none, Debian's is unpacked for that, and
# nothing is installed. The folder is complete or is not there.
set -eu
version=$1 folder=$2

mkdir -p "$(dirname "$folder")"
tmp=$(mktemp -d "$folder.XXXXXX")
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp"

if ! command -v go >/dev/null; then
	echo "No Go here: Debian's is unpacked to fetch Go $version"
	debian() {
		apt-cache depends --recurse --important golang-go | grep '^golang' >packages && xargs apt-get download -qq <packages
	}
	# The lists of packages may be missing or out of date.
	debian 2>errors || { ${SUDO:-} apt-get update -qq && debian 2>errors; } || { cat errors >&2; exit 1; }
	for package in *.deb; do dpkg -x "$package" debian; done
	PATH=$tmp/debian/usr/bin:$PATH
fi

echo "Go $version comes to $folder"
module=golang.org/toolchain@v0.0.1-go$version.$(go env GOOS)-$(go env GOARCH)
# Neither the caller's module nor its flags play a part in this.
GO111MODULE=on GOFLAGS='' go mod download -json "$module" >answer || { cat answer >&2; exit 1; }
cp -r "$(sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p' answer)" go
chmod -R u+w go
# What a module cannot carry: execute bits, and a go.mod below its root.
chmod +x go/bin/* go/pkg/tool/*/*
find go/src -name _go.mod -execdir mv {} go.mod ';'
rm -rf "$folder"
mv go "$folder"
