#!/bin/sh
# Before the files go: of a deb with "remove", of an rpm with 0. An upgrade stops
# nothing, so that the old shunt serves until the new one is there.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now shunt.service
fi
