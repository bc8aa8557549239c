#!/usr/bin/env bash
# Installs the programs that tests of stores run and that are missing: OpenSSH's server, rclone.
# Only as root on Debian, and not where a service manager would start that server for the world; elsewhere it says
# what to install.
# usage: scripts/install-test-tools.sh
set -euo pipefail
missing=()
[ -x /usr/sbin/sshd ] || missing+=(openssh-server)
command -v rclone >/dev/null || missing+=(rclone)
[ "${#missing[@]}" = 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || [ -d /run/systemd/system ]; then
  echo "Tests of stores need these packages of Debian: ${missing[*]}." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
