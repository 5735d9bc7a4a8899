#!/bin/sh
# After installation: of a deb with "configure" and the version before, if there
# was one; of an rpm with the number of versions that are installed now.
set -e

case "$1" in
configure) before="$2" ;;
1) before= ;;
[2-9]) before=yes ;;
*) exit 0 ;;
esac

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers shunt.conf
elif ! getent passwd shunt >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/shunt --shell /usr/sbin/nologin shunt
fi
if command -v systemd-tmpfiles >/dev/null; then
	systemd-tmpfiles --create shunt.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -n "$before" ]; then
		systemctl try-restart shunt.service || echo "shunt is not running again: see systemctl status shunt" >&2
	fi
fi

file=/etc/ha.d/ldirectord.cf
if [ -f "$file" ] && command -v setpriv >/dev/null &&
	! setpriv --reuid shunt --regid shunt --clear-groups test -r "$file"; then
	echo "$file: the user shunt may not read it. Type: chgrp shunt $file && chmod g+r $file" >&2
fi
if [ -z "$before" ]; then
	# A second director on one table of virtual services would take them over.
	echo "shunt is installed and not started. Type: systemctl enable --now shunt"
fi
