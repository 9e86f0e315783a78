"""One process of a stampede on dogpile.cache with its distributed lock on memcached: `stampede.py PORT CALLERS`.

Says "ready", then reads `KEY SECONDS` from each line, lets all callers ask for that key at once, whose origin takes so long, and prints
how often the origin was called here and how many seconds the last answer took.
"""

import sys
import threading
import time

from dogpile.cache import make_region

port, callers = sys.argv[1], int(sys.argv[2])
region = make_region().configure(
    "dogpile.cache.pymemcache",
    expiration_time=600,
    # A lock that outlives the origin: one that ended before would let a second caller in.
    arguments={"url": [f"127.0.0.1:{port}"], "distributed_lock": True, "lock_timeout": 60},
)


def stampede(key, seconds):
    calls, waits = [], []

    def origin():
        calls.append(key)
        time.sleep(seconds)
        return "an answer"

    def ask():
        begun = time.monotonic()
        region.get_or_create(key, origin)
        waits.append(time.monotonic() - begun)

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(waits) < callers:
        sys.exit("not every caller was answered")
    return len(calls), max(waits)


print("ready", flush=True)
for line in sys.stdin:
    key, seconds = line.split()
    print(*stampede(key, float(seconds)), flush=True)
