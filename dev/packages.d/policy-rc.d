#!/bin/sh
# Debian runs this before it starts a service; 101 forbids it. Installed only while dev/packages
# runs.
exit 101
