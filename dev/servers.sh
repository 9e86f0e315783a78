# Starts and stops the servers of one command. Sourced by dev/run and dev/loadtest.
# Owns: ports, pids and their end. Must not know: functions, routes, settings.
# Written for bash 3.2 (macOS): no wait -n, no empty "${array[@]}" without a guard.

scratch=$(mktemp -d)
started=()
nap=
patience=120 # the most seconds that await_answer waits

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# start COMMAND…: in the background, in a process group of its own: Ctrl-C reaches this script alone, which
# then ends each group in its turn. The pid is in $!.
start() {
  set -m
  "$@" </dev/null &
  set +m
  started+=("$!")
}

is_up() { kill -0 "$1" 2>/dev/null; }

# attend COMMAND…: run it to its end, but stop it at once when we are told to stop.
attend() {
  local status=0
  start "$@"
  wait "$!" || status=$?
  unset "started[$((${#started[@]} - 1))]"
  return "$status"
}

# Everything that was started, newest first, with ten seconds for a clean end.
stop_started() {
  trap '' INT TERM HUP
  local i pid tries=100
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    pid=${started[i]}
    kill -TERM -- "-$pid" 2>/dev/null || continue
    kill -CONT -- "-$pid" 2>/dev/null || true # whoever was stopped cannot end
    while kill -0 -- "-$pid" 2>/dev/null && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  if [ -n "$nap" ] && kill "$nap" 2>/dev/null; then wait "$nap" || true; fi
  rm -rf "$scratch"
}
trap stop_started EXIT
# Whoever reads what we tell may go away (make … | head): bash itself tells of a memcached that is stopped, and would end in the middle.
trap '' PIPE
trap 'exit 130' INT
trap 'exit 143' TERM HUP

port_taken() {
  local address
  for address in 127.0.0.1 ::1; do
    if (exec 3<>"/dev/tcp/$address/$1") 2>/dev/null; then return 0; fi
  done
  return 1
}

free_port() {
  local port i
  for ((i = 0; i < 100; i++)); do
    port=$((20000 + RANDOM % 12000))
    if ! port_taken "$port"; then echo "$port"; return; fi
  done
  die "none of 100 ports from 20000 to 32000 is free"
}

# Sets memcached_port: the kernel chooses it, so that nobody can take it meanwhile.
start_memcached() {
  local told=$scratch/memcached.port
  MEMCACHED_PORT_FILENAME=$told start memcached -u "$(id -un)" -l 127.0.0.1 -p -1 -U 0
  until [ -s "$told" ]; do
    is_up "$!" || die "memcached ended at its start"
    sleep 0.05
  done
  # shellcheck disable=SC2034 # read by those who source this file
  read -r _ _ memcached_port <"$told"
}

# listens PID PORT: whether it is this process that does. Only Linux tells; elsewhere it is believed.
listens() {
  local inode
  [ -r /proc/net/tcp ] || return 0
  for inode in $(awk -v port="$(printf ':%04X' "$2")" '$2 ~ port "$" && $4 == "0A" {print $10}' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
    if [ -n "$(find "/proc/$1/fd" -lname "socket:\\[$inode\\]" 2>/dev/null)" ]; then return 0; fi
  done
  return 1
}

# http_status PORT PATH: prints the status; fails when there is no answer within half of our patience.
http_status() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
  read -r -t $((patience / 2)) _ status _ <&3 && echo "$status"
}

# await_answer PORT PATH STATUS PID: until it answers, which must be with this status, or the process or our patience has ended.
await_answer() {
  local status end=$((SECONDS + patience))
  until attend http_status "$1" "$2" >"$scratch/status" 2>/dev/null; do
    is_up "$4" || die "the server on port $1 ended before it answered"
    [ "$SECONDS" -lt "$end" ] || die "GET $2 on port $1 was not answered for $patience s: what should answer has ended or hangs"
    sleep 0.1
  done
  read -r status <"$scratch/status"
  [ "$status" = "$3" ] || die "GET $2 answered $status where $3 was expected"
}

# make waits for us when it alone is sent SIGINT or SIGHUP, and passes neither on; killed outright, it leaves us
# behind. Linux tells both: in its handler make has the signal blocked.
is_attended() {
  [ -d /proc/self ] || return 0
  [ -d "/proc/$PPID" ] || return 1
  ! grep -q '^SigBlk:.*[^048c]$' "/proc/$PPID/status" 2>/dev/null
}

# Until nobody attends to us any more, or (then it fails) one of the given processes has ended, whose pid is in $ended.
watch_over() {
  while is_attended; do
    for ended in "$@"; do is_up "$ended" || return 1; done
    sleep 1 &
    nap=$!
    wait "$nap" || true
  done
}
