#!/usr/bin/env bash
# Fetches Ceph's own S3 server for the tests: packages of Debian, unpacked into a cache folder and run
# from there with their own loader and libraries. Needs Debian's apt and its mirror, not root; nothing
# is installed on the system. 150 MB to fetch, 600 MB unpacked, half a minute. Does nothing when it is
# there already.
# usage: scripts/install-ceph.sh        into ${VARVE_TEST_CACHE:-~/.cache/varve-test}/ceph
set -euo pipefail
suite=forky   # Debian 14: Ceph 20
packages=(ceph-mon ceph-osd radosgw ceph-common openssl)
cache=${VARVE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/varve-test}
root=$cache/ceph
[ -e "$root/usr/bin/radosgw" ] && exit 0

for tool in apt-get dpkg-deb xargs; do
  command -v $tool >/dev/null || { echo "Ceph is not installed: there is no $tool."; exit 1; }
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || { echo "Ceph is not installed: this is no Debian."; exit 1; }
# Where the system's own apt gets Debian from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)

mkdir -p "$cache"
work=$(mktemp -d "$cache/ceph-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/{sources,lists/partial,cache/archives/partial,none} "$work/root"
: > "$work/apt/status"
cat > "$work/apt/sources/ceph.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: $keyring
SOURCES
# An apt of its own that knows of no installed package, and so fetches all that is needed, with libc.
cat > "$work/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/apt/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$work/apt/none";
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
APT::Sandbox::User "";
CONF
export APT_CONFIG=$work/apt/apt.conf
apt-get update -qq
apt-get install -y -qq --download-only "${packages[@]}" >/dev/null
printf '%s\0' "$work"/apt/cache/archives/*.deb | xargs -0 -n 1 -P 2 sh -c 'dpkg-deb -x "$1" "$0"' "$work/root"
rm -rf "$work/root/usr/share/doc" "$work/root/usr/share/man"
# Whole or not at all; whoever else was quicker wins.
mv -T "$work/root" "$root" 2>/dev/null || [ -e "$root/usr/bin/radosgw" ]
echo "Ceph is in $root."
