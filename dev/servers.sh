# Starts and stops the servers of one command. Sourced by dev/run, dev/loadtest and dev/pictures.
# Written for bash 3.2 (macOS): no wait -n, and no empty "${array[@]}" without a guard.

scratch=$(mktemp -d)
started=()
nap=
patience=120 # how many seconds await_answer waits at most

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# start COMMAND…: runs it in the background in its own process group. Ctrl-C then reaches this
# script alone, which stops the groups one after another. The pid is in $!.
start() {
  set -m
  "$@" </dev/null &
  set +m
  started+=("$!")
}

is_up() { kill -0 "$1" 2>/dev/null; }

# attend COMMAND…: runs it to its end, but stops it at once when this script is stopped.
attend() {
  local status=0
  start "$@"
  wait "$!" || status=$?
  unset "started[$((${#started[@]} - 1))]"
  return "$status"
}

# Stops everything that was started, newest first, with ten seconds for a clean exit.
stop_started() {
  trap '' INT TERM HUP
  local i pid tries=100
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    pid=${started[i]}
    kill -TERM -- "-$pid" 2>/dev/null || continue
    kill -CONT -- "-$pid" 2>/dev/null || true # a stopped process cannot handle SIGTERM
    while kill -0 -- "-$pid" 2>/dev/null && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  if [ -n "$nap" ] && kill "$nap" 2>/dev/null; then wait "$nap" || true; fi
  rm -rf "$scratch"
}
trap stop_started EXIT
# The reader of our output may go away (make … | head). When it does, bash's own message about a
# stopped memcached must not end this script half-way.
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

# Sets memcached_port. The kernel chooses the port, so no other process can take it in between.
start_memcached() {
  local port_file=$scratch/memcached.port
  MEMCACHED_PORT_FILENAME=$port_file start memcached -u "$(id -un)" -l 127.0.0.1 -p -1 -U 0
  until [ -s "$port_file" ]; do
    is_up "$!" || die "memcached exited at its start"
    sleep 0.05
  done
  # shellcheck disable=SC2034 # read by the scripts that source this file
  read -r _ _ memcached_port <"$port_file"
}

# listens PID PORT: whether this process listens on the port. Only Linux shows that; elsewhere it is
# assumed.
listens() {
  local inode
  [ -r /proc/net/tcp ] || return 0
  for inode in $(awk -v port="$(printf ':%04X' "$2")" '$2 ~ port "$" && $4 == "0A" {print $10}' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
    if [ -n "$(find "/proc/$1/fd" -lname "socket:\\[$inode\\]" 2>/dev/null)" ]; then return 0; fi
  done
  return 1
}

# http_status PORT PATH: prints the status. Fails without an answer within half of $patience.
http_status() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
  read -r -t $((patience / 2)) _ status _ <&3 && echo "$status"
}

# await_answer PORT PATH STATUS PID: waits for an answer, which must have this status. Fails if the
# process ends, or after $patience seconds.
await_answer() {
  local status end=$((SECONDS + patience))
  until attend http_status "$1" "$2" >"$scratch/status" 2>/dev/null; do
    is_up "$4" || die "the server on port $1 ended before it answered"
    [ "$SECONDS" -lt "$end" ] || die "GET $2 on port $1 was not answered for $patience s: the function behind it has exited or hangs"
    sleep 0.1
  done
  read -r status <"$scratch/status"
  [ "$status" = "$3" ] || die "GET $2 answered $status where $3 was expected"
}

# Whether make still waits for this script. If make alone is sent SIGINT or SIGHUP it waits for us
# and does not pass the signal on; if it is killed we are left behind. Linux shows both: in its
# handler make blocks signals.
is_attended() {
  [ -d /proc/self ] || return 0
  [ -d "/proc/$PPID" ] || return 1
  ! grep -q '^SigBlk:.*[^048c]$' "/proc/$PPID/status" 2>/dev/null
}

# watch_over PID…: waits until make is gone. Fails when one of the processes has ended; its pid is
# in $ended.
watch_over() {
  while is_attended; do
    for ended in "$@"; do is_up "$ended" || return 1; done
    sleep 1 &
    nap=$!
    wait "$nap" || true
  done
}
