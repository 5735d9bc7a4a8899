#!/bin/sh
# After the files are gone: of a deb with "remove" and later perhaps "purge", of an
# rpm with 0. The user stays, since files may belong to it.
set -e

case "$1" in
remove | purge | 0)
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl reset-failed shunt.service 2>/dev/null || true
	fi
	;;
esac
if [ "$1" = purge ]; then
	rm -rf /var/lib/shunt /var/log/shunt
	# The log of ldirectord is shunt's as long as it belongs to its user.
	if [ "$(stat -c %U /var/log/ldirectord.log 2>/dev/null)" = shunt ]; then
		rm -f /var/log/ldirectord.log
	fi
fi
