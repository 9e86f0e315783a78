#!/bin/sh
# Debian asks this before it starts a service: 101 = do not. There only while dev/packages runs.
exit 101
