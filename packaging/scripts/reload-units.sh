#!/bin/sh
# After a unit came or went.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
