#!/bin/sh
# Prepares a real server for GUE tunnels to port 6080. Run it as root at each boot.
set -eu
shunt realserver apply --vip 192.0.2.100 --forward ipip --tunnel gue --port 6080
shunt realserver check --vip 192.0.2.100 --forward ipip --tunnel gue --port 6080
