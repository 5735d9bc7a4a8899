#!/bin/sh
# Prepares a real server for direct routing: the VIP on lo, and no answer to ARP
# for it. Run it as root at each boot, before the web server starts.
set -eu
shunt realserver apply --vip 192.0.2.100

# What is missing, one line each; exit status 1 if anything is.
shunt realserver check --vip 192.0.2.100

# The same by hand, where shunt is not installed:
#
#   sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
#   ip address add 192.0.2.100/32 dev lo
