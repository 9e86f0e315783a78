#!/usr/bin/env python3
"""Checks the read-through algorithm by a search of all its interleavings.

The algorithm is the one of functions/cache/src/read_through: one item a key, leases, freed records
with a reason, refresh markers, generations. A model server executes one command at a time; a client
is a small state machine that sends one command and acts on the reply. The search visits every order
of the clients' commands, together with a limited number of disturbances: a client is killed, an
item is evicted, a lease expires, the server restarts empty (its cas numbers start again), a reply
is lost, a command runs after its client gave up. Beside these an origin call may fail, be dropped
by its caller, or answer with a value that may not be stored.

What must hold in every state:
  (a) no value from before an acknowledged invalidation or flush is returned; after an acknowledged
      expire none from before it is returned as fresh;
  (b) of two fills under leases one is refused;
  (c) no plain read replaces a live lease; a key costs one origin call, and one more for each
      disturbance and for each failure that nobody could have foreseen;
  (d) nothing blocks a key: after all expiry times a lone reader fills it;
  (e) only values are returned, and only of their key;
  (f) one collapse a call: a call waits for one lease, and for one more only after a disturbance or
      after a caller who left its origin call; a call makes at most one origin call;
  (g) while a failed refresh is remembered, a caller with a usable copy waits for nobody, and calls
      no origin.
Not modelled: durations, clocks that differ, several servers' lists, payload bytes, proxies, and
the sharing of origin calls while the server is unreachable. One generation represents both scopes.

  read_through.py            the real algorithm and the planted faults; 25 to 50 s on 2 cores
  read_through.py deep       larger configurations; about 15 minutes
  read_through.py faults     the planted faults only; 5 s
  read_through.py trace NAME the shortest run that shows the planted fault of this name
"""
import sys
import time
from collections import deque, namedtuple
from multiprocessing import Pool

# One client. `at`: its program counter. `need`, `need_fresh`: what was acknowledged when its
# operation began. `seq`: makes its lease tokens unique. `read_at`, `fresh_at`: the origin's state
# that its value was read from. `mode`: 'E' holds an empty lease, 'r' refreshes by marker.
# `waited`: the lease that it has waited for, as a lookup showed it. `flag`: of its own lease.
# `copy`: a stale entry that it may serve. `leases`, `owner`, `called`: for the checks only.
Client = namedtuple('Client', 'index at need need_fresh seq gen cas polls read_at fresh_at mode '
                              'value list tries waited flag failed_polls copy leases owner called')
# `servers`: (next cas, generation, item, marker), one key each. `late`: commands still to run.
# `effect`/`acked`: invalidations done and acknowledged. `upset`: disturbances so far. `excused`:
# origin calls that a failure explains. `unusable`: how many leaders left a reason not to wait.
State = namedtuple('State', 'servers clients late mint effect acked fresh_effect fresh_acked '
                            'budget origins upset excused unusable drops results')
BUDGETS = ('crash', 'evict', 'expire', 'restart', 'loss', 'fail', 'pass', 'drop', 'renew')
NOT_DISTURBING = ('fail', 'pass', 'drop', 'renew')
NO_FLAG, AFTER_DROP, AFTER_FAILURE = 0, 1, 2
FRESH = dict(gen=None, cas=None, polls=0, read_at=0, fresh_at=0, mode='', value=None, list=(),
             tries=0, waited=None, flag=0, failed_polls=0, copy=None, leases=0, owner=None,
             called=0)
CALLING = ('fill-learn', 'fill', 'calling')


class Violation(Exception):
    pass


def replace(of, place, value):
    return of[:place] + (value,) + of[place + 1:]


class Model:
    """`programs`: a protocol ('c' classic, 'm' meta) and operations for each client. `faults`: the
    planted ones. `start`: what the server holds. `patience`: polls before a wait ends."""

    def __init__(self, name, programs, budgets, servers=1, faults=(), start='empty', patience=1,
                 peers=None, counted=False, most=2):
        self.name, self.programs, self.faults = name, programs, frozenset(faults)
        self.budgets, self.n, self.start_with, self.patience = budgets, servers, start, patience
        self.peers, self.counted, self.most = peers or {}, counted, most
        self.alone_seen = set()

    # ---------- the beginning
    def initial(self):
        rows = []
        for k in range(self.n):
            age = {'fresh': False, 'stale': True, 'on error': 'S', 'past': 'H'}.get(self.start_with)
            if self.start_with == 'empty':
                rows.append((0, None, None, None))
            elif age is None:
                rows.append((1, (('G', 0), 1), None, None))
            else:
                rows.append((2, (('G', 0), 1), (('V', k, 0, 0, 0, age), 2), None))
        zeros = (0,) * self.n
        client = Client(index=-1, at='idle', need=0, need_fresh=0, seq=0, **FRESH)
        budget = tuple(self.budgets.get(name, 0) for name in BUDGETS)
        state = State(tuple(rows), (client,) * len(self.programs), (), 1, zeros, zeros, zeros,
                      zeros, budget, zeros, 0, 0, 0, 0, (None,) * len(self.programs))
        for c in range(len(self.programs)):
            state = self.next_operation(state, c)
        return state

    # ---------- the server: one command, (state, reply)
    def execute(self, S, c, command, op):
        kind, k = command[:2]
        cas, gen, item, marker = S.servers[k]

        def put(S, slot, record):
            row = list(S.servers[k])
            row[0] += 1
            row[slot] = (record, row[0]) if record else None
            return S._replace(servers=replace(S.servers, k, tuple(row)))

        def remove(S, slot):
            row = replace(S.servers[k], slot, None)
            return S._replace(servers=replace(S.servers, k, row))

        if kind == 'read gen':
            return S, (gen[0][1] if gen else None)
        if kind == 'read':
            if command[2] and item is None:
                S = put(S, 2, ('E',))
                return S, ('won', S.servers[k][2], S.servers[k][3])
            return S, ('', item, marker)
        if kind == 'add gen':
            return (S, False) if gen else (put(S, 1, ('G', command[2])), True)
        if kind == 'add':
            return (S, False) if item else (put(S, 2, command[2]), True)
        if kind == 'add marker':
            return (S, False) if marker else (put(S, 3, command[2]), True)
        if kind in ('cas', 'cas marker', 'set'):
            slot = 3 if kind == 'cas marker' else 2
            there = S.servers[k][slot]
            if kind != 'set' and (there is None or there[1] != command[2]):
                return S, False
            record = command[-1]
            if slot == 2:
                self.check_not_stolen(S, c, k, there, op)
            if record[0] == 'V' and op[0] == 'expire':
                S = S._replace(fresh_effect=replace(S.fresh_effect, k, S.fresh_effect[k] + 1))
            if record[0] == 'F':
                S = S._replace(unusable=S.unusable + (self.counted and record[1] != 'dropped'))
            return put(S, slot, record), True
        if kind == 'delete':
            if op[0] == 'get':
                self.check_not_stolen(S, c, k, item, op)
            S = remove(S, 2)
            if op[0] == 'inv':
                S = S._replace(effect=replace(S.effect, k, S.effect[k] + 1))
            if op[0] == 'expire':
                S = S._replace(fresh_effect=replace(S.fresh_effect, k, S.fresh_effect[k] + 1))
            return S._replace(upset=S.upset + self.counted), True
        if kind == 'delete gen':
            again = ('G', (gen[0][1] if gen else 0) + 1)
            S = put(S, 1, again) if 'generation counts up' in self.faults else remove(S, 1)
            S = S._replace(effect=replace(S.effect, k, S.effect[k] + 1))
            return S._replace(upset=S.upset + self.counted), True
        raise Exception(kind)

    def check_not_stolen(self, S, c, k, there, op):
        """(c): a plain get never replaces or removes another client's live lease."""
        restarted = S.budget[BUDGETS.index('restart')] < self.budgets.get('restart', 0)
        if there is None or op[0] != 'get' or restarted:  # after a restart numbers may repeat
            return
        record, gen = there[0], S.servers[k][1]
        if record[0] == 'L' and gen and record[2] == gen[0][1]:
            owner, seq = record[1]
            other = S.clients[owner]
            over = other.at in ('dead', 'idle', 'done')
            if owner != c and not over and (owner, other.seq) == (owner, seq):
                raise Violation(f'(c) client {c} replaced the live lease of client {owner}')
        if record[0] == 'E':
            for o, x in enumerate(S.clients):
                mine = x.mode == 'E' and x.cas == there[1] and x.at == 'fill'
                if o != c and mine and gen and x.gen == gen[0][1]:
                    raise Violation(f'(c) client {c} replaced the empty lease of client {o}')

    # ---------- the clients
    def update(self, S, c, **fields):
        return S._replace(clients=replace(S.clients, c, S.clients[c]._replace(**fields)))

    def operation(self, S, c):
        return self.programs[c][1][S.clients[c].index]

    def next_operation(self, S, c):
        index = S.clients[c].index + 1
        if index >= len(self.programs[c][1]):
            return self.update(S, c, at='done', index=index, need=0, need_fresh=0, **FRESH)
        op = self.programs[c][1][index]
        k = op[1] if len(op) > 1 else 0
        first = {'expire': 'expire-read', 'inv': 'delete', 'flush': 'flush'}.get(op[0], 'look')
        S = self.update(S, c, index=index, at=first, need=S.acked[k],
                        need_fresh=S.fresh_acked[k], **FRESH)
        if 'join without lookup' in self.faults and op[0] == 'get' and c in self.peers:
            peer = self.peers[c]
            if S.clients[peer].at in CALLING:
                return self.update(S, c, at='joined', cas=S.clients[peer].seq)
        return S

    def command(self, S, c):
        """What client `c` wants the server to execute next."""
        x, op, protocol = S.clients[c], self.operation(S, c), self.programs[c][0]
        k = op[1] if len(op) > 1 else 0
        at, token = x.at, (c, x.seq)
        lease = ('L', token, x.gen, None, x.flag)
        value = ('V', k, x.read_at, x.fresh_at, x.gen, False)
        # One lookup: the item first and the generations after it.
        look = ('read', k, protocol == 'm' and op[0] in ('get', 'refresh'))
        gens_first = 'generations first' in self.faults
        if at == 'look':
            return ('read gen', k) if gens_first else look
        if at == 'look-gens':
            return look if gens_first else ('read gen', k)
        if at in ('mint', 'mint-won'):
            return ('add gen', k, 1 if 'generation counts up' in self.faults else S.mint)
        if at == 'read-minted':
            return ('read gen', k)
        if at in ('stamp', 'take'):
            return ('cas', k, x.cas, lease)
        if at == 'add':
            return ('add', k, lease)
        if at == 'add-marker':
            return ('add marker', k, ('L', token, x.gen, x.cas, x.flag))
        if at == 'take-marker':
            return ('cas marker', k, x.list[0], ('L', token, x.gen, x.cas, x.flag))
        if at in ('fill-learn', 'put-learn', 'renew-learn', 'take-learn', 'entry-learn',
                  'marker-learn', 'free-learn', 'free-marker-learn', 'expire-read'):
            return ('read', k, False)
        if at == 'fill':
            return ('set', k, value) if 'late set' in self.faults else ('cas', k, x.cas, value)
        if at == 'put':
            return ('cas', k, x.cas, value)
        if at == 'renew':
            return ('set', k, lease) if 'renew by set' in self.faults else ('cas', k, x.cas, lease)
        if at in ('free', 'free-item'):
            if 'free by delete' in self.faults:
                return ('delete', k)
            return ('cas', k, x.cas, ('F', x.list[-1], None))
        if at == 'free-marker':
            return ('cas marker', k, x.list[0], ('F', x.list[-1], x.cas))
        if at == 'add-value':
            return ('add', k, value)
        if at in ('delete', 'expire-delete'):
            return ('delete', k)
        if at == 'flush':
            return ('delete gen', len(x.list))
        if at == 'expire-write':
            return ('cas', k, x.cas, x.value[:5] + (True,))
        return None

    def answer(self, S, c, record):
        """An operation of client `c` ends with `record`; None: it has no value."""
        x, op = S.clients[c], self.operation(S, c)
        k = op[1] if len(op) > 1 else 0
        if op[0] == 'get' and record is not None:
            if record[0] != 'V' or record[1] != k:
                raise Violation(f'(e) client {c} returned {record} as a value of key {k}')
            if record[5] == 'H':
                raise Violation(f'(e) client {c} returned a value past its hard expiry')
            if record[2] < x.need:
                raise Violation(f'(a) client {c} returned a value of epoch {record[2]}, '
                                f'and {x.need} is acknowledged')
            if not record[5] and record[3] < x.need_fresh:
                raise Violation(f'(a) client {c} returned as fresh what was read before an '
                                'acknowledged expire')
        return self.next_operation(S, c)

    def call_origin(self, S, c, at, excused=0, **fields):
        k, x = self.operation(S, c)[1], S.clients[c]
        if x.called:
            raise Violation(f'(f) client {c} calls the origin twice')
        S = self.update(S, c, at=at, read_at=S.effect[k], fresh_at=S.fresh_effect[k], called=1,
                        **fields)
        if self.counted:
            S = S._replace(origins=replace(S.origins, k, S.origins[k] + 1),
                           excused=S.excused + excused)
            allowed = 1 + S.upset + S.excused + S.unusable + S.drops
            if S.origins[k] > allowed:
                raise Violation(f'(c) {S.origins[k]} origin calls, and {allowed} are explained')
        return S

    def again(self, S, c, **fields):
        """Looks up again: what was decided upon is no longer there."""
        x = S.clients[c]
        if x.tries > 8:
            raise Violation('(d) unbounded retry')
        if x.polls >= self.patience:
            return self.bypass(S, c, late=True)
        kept = dict(polls=x.polls + 1, tries=x.tries + 1, gen=None, cas=None, mode='', value=None,
                    list=(), flag=0)
        return self.update(S, c, at='look', **{**kept, **fields})

    def wait(self, S, c, seen):
        """Waits for the lease `seen`: a token, or the number of an empty lease."""
        x = S.clients[c]
        owner = seen
        if seen[0] == 'E':
            holders = [(o, y.seq) for o, y in enumerate(S.clients)
                       if y.mode == 'E' and y.cas == seen[1]
                       or y.at == 'look-gens' and isinstance(y.value, tuple)
                       and y.value[0] == 'won' and y.value[1][1] == seen[1]]
            owner = holders[0] if holders else seen
        if self.counted and owner != x.owner and seen != x.waited:
            S = self.update(S, c, owner=owner, leases=x.leases + 1)
            # After a restart an empty lease and the one written over it count as two here.
            restarted = S.budget[BUDGETS.index('restart')] < self.budgets.get('restart', 0)
            if S.clients[c].leases > 1 + S.upset + restarted + min(S.drops, 1):
                raise Violation(f'(f) client {c} waits for a lease number {x.leases + 1}')
        return self.again(S, c, waited=seen, failed_polls=0)

    def bypass(self, S, c, late=False):
        """Serves a copy that was read, or else calls the origin and stores nothing."""
        x, k = S.clients[c], self.operation(S, c)[1]
        if x.copy is not None:
            if 'copy thrown away' not in self.faults:
                return self.answer(S, c, x.copy)
            raise Violation(f'(g) client {c} calls the origin although it has a copy')
        # Explained by a wait that is over, by a lost reply, or by a leader that left a reason.
        lost = S.budget[BUDGETS.index('loss')] < self.budgets.get('loss', 0)
        excused = 1 if late or lost or S.unusable else 0
        S = self.call_origin(S, c, 'add-value', excused)
        if 'bypass stores' in self.faults and S.clients[c].gen is not None:
            return S
        return self.finish(S, c)

    def finish(self, S, c):
        x, k = S.clients[c], self.operation(S, c)[1]
        if c in self.peers.values():
            S = S._replace(results=replace(S.results, c, (x.seq, x.read_at, x.fresh_at)))
        S = self.update(S, c, seq=x.seq + 1)
        return self.answer(S, c, ('V', k, x.read_at, x.fresh_at, x.gen, False))

    def take_over(self, S, c, item, flag=NO_FLAG):
        if self.programs[c][0] == 'm':
            return self.update(S, c, at='take', cas=item[1], flag=flag)
        return self.update(S, c, at='take-learn', value=item[0], flag=flag)

    def serve_old(self, S, c, record, seen=None):
        """Another client refreshes the entry `record`: serve it if it may be served now."""
        if record[5] is True or 'past is served' in self.faults:
            return self.answer(S, c, record)
        return self.wait(S, c, seen or ('marker', record))

    def has_used_its_wait(self, x, seen, flag):
        """Whether the lease `seen` is one more than a call may wait for."""
        if 'waits twice' in self.faults:
            return False
        return x.waited is not None and x.waited != seen and flag == AFTER_FAILURE

    def decide(self, S, c, won, item, marker):
        """What follows from a complete lookup."""
        x, op, protocol = S.clients[c], self.operation(S, c)[0], self.programs[c][0]
        if won == 'won':
            S = self.update(S, c, cas=item[1], mode='E', copy=None)
            if x.gen is None:
                return self.update(S, c, at='mint-won')
            return self.call_origin(S, c, 'fill')
        if x.gen is None:
            if x.tries >= 2:
                return self.bypass(S, c, late=True) if op == 'get' else self.answer(S, c, None)
            return self.update(S, c, at='mint')
        if item is None:
            S = self.update(S, c, copy=None)
            if 'gone means failed' in self.faults and x.waited:
                return self.bypass(S, c)
            return self.update(S, c, at='add')
        record, cas = item
        current = record[0] == 'V' and (record[4] == x.gen or 'generation ignored' in self.faults)
        if op == 'put':
            return self.update(S, c, at='put', cas=cas)
        usable = current and record[5] in (True, 'S')
        S = self.update(S, c, copy=record if usable and op == 'get' else None)
        if record[0] == 'E':
            if 'empty is a value' in self.faults and protocol == 'c':
                return self.answer(S, c, record)
            if op == 'refresh':
                return self.take_over(S, c, item)
            return self.wait(S, c, ('E', cas))
        if current and op == 'refresh':
            if protocol == 'm':
                return self.call_origin(S, c, 'fill', cas=cas, mode='e')
            return self.update(S, c, at='entry-learn', value=record, mode='e')
        if current and not record[5]:
            return self.answer(S, c, record)
        if current:
            return self.decide_stale(S, c, record, cas, marker)
        if record[0] == 'L' and record[2] == x.gen and op == 'get':
            peer = self.peers.get(c)
            if peer is not None and record[1] == (peer, S.clients[peer].seq) \
                    and S.clients[peer].at in CALLING:
                return self.update(S, c, at='joined', cas=record[1][1], waited=record[1])
            if self.has_used_its_wait(x, record[1], record[4]):
                return self.bypass(S, c)
            return self.wait(S, c, record[1])
        if record[0] == 'F' and op == 'get':
            if record[1] == 'pass':
                if 'pass is a value' in self.faults:
                    return self.answer(S, c, record)
                return self.bypass(S, c)
            if record[1] == 'failed' and x.waited and 'waits twice' not in self.faults:
                return self.bypass(S, c)
            return self.take_over(S, c, item, after(record[1]))
        return self.take_over(S, c, item)

    def decide_stale(self, S, c, record, cas, marker):
        x, protocol = S.clients[c], self.programs[c][0]
        held, flag = marker[0] if marker else (None,), NO_FLAG
        if held[0] == 'L' and held[3] == cas:
            if record[5] is not True and self.has_used_its_wait(x, held[1], held[4]):
                return self.bypass(S, c)
            return self.serve_old(S, c, record, held[1])
        if held[0] == 'F' and held[2] == cas:
            if held[1] == 'failed' and record[5] in (True, 'S') \
                    and 'failure forgotten' not in self.faults:
                return self.answer(S, c, record)
            if held[1] == 'failed' and x.waited and 'waits twice' not in self.faults:
                return self.bypass(S, c)
            flag = after(held[1])
        S = self.update(S, c, cas=cas, value=record, mode='r', flag=flag)
        if held == ('F', 'failed', cas) and record[5] in (True, 'S'):
            raise Violation(f'(g) client {c} refreshes what has just failed')
        if marker is None:
            return self.update(S, c, at='add-marker')
        if protocol == 'm':
            return self.update(S, c, at='take-marker', list=(marker[1],))
        return self.update(S, c, at='marker-learn', list=(marker[0],))

    def reply(self, S, c, r):
        """Client `c` receives the reply `r`."""
        x, op, protocol, at = S.clients[c], self.operation(S, c)[0], self.programs[c][0], None
        at, k = x.at, (self.operation(S, c) + (0,))[1]
        if at == 'look':
            S = self.update(S, c, value=r, at='look-gens')
            if op == 'put':
                return self.update(S, c, read_at=S.effect[k], fresh_at=S.fresh_effect[k])
            return S
        if at == 'look-gens':
            shown, gen = (r, x.value) if 'generations first' in self.faults else (x.value, r)
            won, item, marker = shown
            S = self.update(S, c, gen=gen, value=None, failed_polls=0)
            return self.decide(S, c, won, item, marker)
        if at in ('mint', 'mint-won'):
            minted, S = S.mint, S._replace(mint=S.mint + 1)
            if at == 'mint':
                return self.update(S, c, at='look', tries=x.tries + 1, gen=None, value=None)
            if not r:
                return self.update(S, c, at='read-minted')
            gen = 1 if 'generation counts up' in self.faults else minted
            return self.stamp(self.update(S, c, gen=gen), c)
        if at == 'read-minted':
            return self.bypass(S, c, True) if r is None else self.stamp(self.update(S, c, gen=r), c)
        if at == 'stamp':
            return self.call_origin(S, c, 'fill-learn', mode='', cas=None) if r \
                else self.again(S, c)
        if at in ('add', 'take'):
            if not r and op == 'get':
                return self.again(S, c)
            if not r:
                return self.answer(S, c, None) if x.tries > 1 \
                    else self.update(S, c, at='look', tries=x.tries + 1)
            if op == 'put':  # a put is ordered at its own acquisition
                order = dict(read_at=S.effect[k], fresh_at=S.fresh_effect[k])
                if 'put ordered at lookup' in self.faults:
                    order = {}
                return self.update(S, c, at='put-learn', **order)
            return self.call_origin(S, c, 'fill-learn')
        if at in ('add-marker', 'take-marker'):
            if not r:
                if x.value[5] is True:
                    return self.answer(S, c, x.value)
                return self.again(S, c) if 'past is served' not in self.faults \
                    else self.answer(S, c, x.value)
            if protocol == 'c' and 'entry not learned' not in self.faults:
                return self.update(S, c, at='entry-learn', list=())
            return self.call_origin(S, c, 'fill', list=())
        item, marker = (r[1], r[2]) if isinstance(r, tuple) else (None, None)
        if at == 'take-learn':
            same = item and (item[0] == x.value or 'any record taken over' in self.faults)
            return self.update(S, c, at='take', cas=item[1], value=None) if same \
                else self.again(S, c)
        if at == 'marker-learn':
            same = marker and marker[0] == x.list[0]
            return self.update(S, c, at='take-marker', list=(marker[1],)) if same \
                else self.again(S, c)
        if at == 'entry-learn':
            if item and item[0] == x.value:
                return self.call_origin(S, c, 'fill', cas=item[1])
            if op == 'get':
                return self.again(S, c)
            return self.answer(S, c, None) if x.tries > 1 else self.update(
                S, c, at='look', mode='', value=None, gen=None, tries=x.tries + 1)
        token = (c, x.seq)
        if at in ('fill-learn', 'put-learn', 'free-learn', 'renew-learn'):
            mine = item and item[0][0] == 'L' and \
                (item[0][1] == token or 'lease without token' in self.faults)
            if at == 'put-learn':
                return self.update(S, c, at='put', cas=item[1]) if mine \
                    else self.answer(S, c, None)
            if at == 'fill-learn' and 'generation read at fill' in self.faults and item:
                gen = S.servers[k][1]
                S = self.update(S, c, gen=gen[0][1] if gen else x.gen)
            if not mine:
                return self.ended(S, c) if at == 'free-learn' else self.finish(S, c)
            then = {'fill-learn': 'fill', 'free-learn': 'free', 'renew-learn': 'renew'}[at]
            return self.update(S, c, at=then, cas=item[1])
        if at == 'free-marker-learn':
            mine = marker and marker[0][0] == 'L' and marker[0][1] == token
            if not mine:
                return self.ended(S, c)
            return self.update(S, c, at='free-marker', list=(marker[1],) + x.list)
        if at in ('free', 'free-item', 'free-marker'):
            return self.ended(S, c)
        if at in ('fill', 'add-value'):
            return self.finish(S, c)
        if at == 'renew':
            return self.update(S, c, at='fill-learn', mode='')
        if at == 'put':
            return self.answer(S, c, None)
        if at == 'delete':
            acked = max(S.acked[k], S.effect[k])
            return self.next_operation(S._replace(acked=replace(S.acked, k, acked)), c)
        if at == 'flush':
            done = x.list + (S.effect[len(x.list)],)
            if len(done) < self.n:
                return self.update(S, c, list=done)
            acked = tuple(max(a, e) for a, e in zip(S.acked, done))
            return self.next_operation(S._replace(acked=acked), c)
        if at == 'expire-read':
            if item and item[0][0] == 'V':
                return self.update(S, c, at='expire-write', cas=item[1], value=item[0])
            return self.update(S, c, at='expire-delete')
        if at in ('expire-write', 'expire-delete'):
            if not r:
                return self.next_operation(S, c) if x.tries > 1 else self.update(
                    S, c, at='expire-read', tries=x.tries + 1, value=None)
            acked = max(S.fresh_acked[k], S.fresh_effect[k])
            S = S._replace(fresh_acked=replace(S.fresh_acked, k, acked))
            return self.next_operation(S, c)
        raise Exception(at)

    def stamp(self, S, c):
        if 'not stamped after a mint' in self.faults:
            return self.call_origin(S, c, 'fill')
        return self.update(S, c, at='stamp')

    def ended(self, S, c):
        """The origin call of client `c` came to nothing that is stored, and what it held is freed.
        A refresher whose origin failed falls back on its copy."""
        x, reason = S.clients[c], S.clients[c].list[-1]
        S = self.update(S, c, seq=x.seq + 1)
        if reason == 'pass':
            value = ('V', self.operation(S, c)[1], x.read_at, x.fresh_at, x.gen, False)
            return self.answer(S, c, value)
        usable = x.mode == 'r' and x.value[5] in (True, 'S')
        return self.answer(S, c, x.value if usable and reason == 'failed' else None)

    def comes_to_nothing(self, S, c, reason):
        x = S.clients[c]
        if reason == 'dropped' and x.flag:
            reason = 'failed'
        if x.mode == 'r':
            at = 'free-item' if reason == 'pass' else 'free-marker-learn'
        else:
            at = 'free' if x.mode == 'E' or x.at == 'fill' else 'free-learn'
        return self.update(S, c, at=at, list=(reason,))

    def no_reply(self, S, c):
        """The connection is dropped; the command may have run or may run later."""
        x, op, at = S.clients[c], self.operation(S, c)[0], S.clients[c].at
        if at in ('mint', 'mint-won'):
            minted, S = S.mint, S._replace(mint=S.mint + 1)
            if 'lost mint believed' in self.faults:
                return self.update(S, c, at='add', gen=minted) if at == 'mint' \
                    else self.call_origin(S, c, 'fill', gen=minted)
        if op in ('inv', 'expire', 'put'):
            return self.next_operation(S, c)
        if op == 'flush':
            if 'partial flush acknowledged' in self.faults:
                k = len(x.list)
                S = S._replace(effect=replace(S.effect, k, S.effect[k] + 1))
                return self.reply(S, c, True)
            return self.next_operation(S, c)
        if at in ('fill-learn', 'fill', 'add-value', 'renew-learn'):
            return self.finish(S, c)
        if at == 'renew':
            return self.update(S, c, at='fill-learn', mode='')
        if at.startswith('free'):
            return self.ended(S, c)
        if at in ('look', 'look-gens') and x.waited and x.failed_polls < 2 and op == 'get':
            return self.again(S, c, failed_polls=x.failed_polls + 1)
        return self.bypass(self.update(S, c, seq=x.seq + 1), c)

    # ---------- all that can happen next
    def spend(self, S, name):
        """`S` with one disturbance less to come; None if there is none left."""
        i = BUDGETS.index(name)
        if S.budget[i] <= 0:
            return None
        counts = name not in NOT_DISTURBING
        used = sum(self.budgets.get(other, 0) - S.budget[j] for j, other in enumerate(BUDGETS)
                   if other not in NOT_DISTURBING)
        if counts and used >= self.most:
            return None
        return S._replace(budget=replace(S.budget, i, S.budget[i] - 1),
                          upset=S.upset + (1 if self.counted and counts else 0),
                          drops=S.drops + (self.counted and name == 'drop'))

    def steps(self, S):
        out = []
        for c, x in enumerate(S.clients):
            if x.at in ('done', 'dead', 'idle'):
                continue
            if x.at == 'joined':
                self.joined_steps(S, c, out)
                continue
            command, op = self.command(S, c), self.operation(S, c)

            def run(S=S, c=c, command=command, op=op):
                T, r = self.execute(S, c, command, op)
                return self.reply(T, c, r)
            what = f'client {c} {op[0]} {x.at}: {command}'
            out.append((what, run))
            if self.spend(S, 'loss'):
                def lose(S=S, c=c, command=command, op=op):
                    T, _ = self.execute(self.spend(S, 'loss'), c, command, op)
                    return self.no_reply(T, c)
                out.append((what + ', reply lost', lose))
                reads = command[0] == 'read gen' or command[0] == 'read' and not command[2]
                if not reads and not S.late:
                    def late(S=S, c=c, command=command, op=op):
                        T = self.spend(S, 'loss')
                        return self.no_reply(T._replace(late=((c, command, op),)), c)
                    out.append((what + ', delayed, the client gives up', late))
            if self.spend(S, 'crash'):
                def die(S=S, c=c):
                    return self.update(self.spend(S, 'crash'), c, at='dead', need=0, need_fresh=0,
                                       **FRESH)
                out.append((f'client {c} is killed', die))
            if x.at in ('fill-learn', 'fill') and op[0] == 'get' and x.mode != 'e':
                self.origin_steps(S, c, out)
        for j, (c, command, op) in enumerate(S.late):
            def late_run(S=S, j=j, c=c, command=command, op=op):
                T = S._replace(late=S.late[:j] + S.late[j + 1:])
                return self.execute(T, c, command, op)[0]
            out.append((f'late command of client {c}: {command}', late_run))
        for k in range(self.n):
            self.server_steps(S, k, out)
        return out

    def joined_steps(self, S, c, out):
        x, peer = S.clients[c], self.peers[c]
        result, other = S.results[peer], S.clients[peer]
        if result and result[0] == x.cas:
            def join(S=S, c=c):
                value = ('V', self.operation(S, c)[1], result[1], result[2], None, False)
                return self.answer(S, c, value)
            out.append((f'client {c} joins', join))
        elif other.at == 'dead' or other.seq != x.cas:
            def leave(S=S, c=c):
                if S.drops or 'joiners lead in turn' in self.faults:
                    return self.again(S, c)
                return self.bypass(S, c)
            out.append((f'client {c} leaves the flight', leave))

    def origin_steps(self, S, c, out):
        x = S.clients[c]
        for name, reason in (('fail', 'failed'), ('pass', 'pass'), ('drop', 'dropped')):
            if self.spend(S, name):
                def end(S=S, c=c, name=name, reason=reason):
                    return self.comes_to_nothing(self.spend(S, name), c, reason)
                out.append((f'client {c}: origin call {reason}', end))
        if x.mode != 'r' and self.spend(S, 'renew') and (x.mode == 'E' or x.at == 'fill-learn'):
            at = 'renew' if x.mode == 'E' or 'renew by set' in self.faults else 'renew-learn'
            out.append((f'client {c} renews', lambda S=S, c=c, at=at:
                        self.update(self.spend(S, 'renew'), c, at=at)))

    def server_steps(self, S, k, out):
        row = S.servers[k]
        for slot in (1, 2, 3):
            if row[slot] is None:
                continue

            def remove(name, S=S, slot=slot):
                rows = replace(S.servers, k, replace(row, slot, None))
                return self.spend(S, name)._replace(servers=rows)
            if self.spend(S, 'evict'):
                out.append((f'evicted: {row[slot][0]}', lambda remove=remove: remove('evict')))
            record = row[slot][0]
            if record[0] not in 'LEF' or self.never_expires(slot, record):
                continue
            if record[0] == 'L' and S.clients[record[1][0]].at == 'dead':  # its death has counted
                rows = replace(S.servers, k, replace(row, slot, None))
                out.append((f'expired: {record}', lambda rows=rows: S._replace(servers=rows)))
            elif self.spend(S, 'expire'):
                out.append((f'expired: {record}', lambda remove=remove: remove('expire')))
        if self.spend(S, 'restart') and row != (0, None, None, None):
            def restart(S=S, k=k):
                rows = replace(S.servers, k, (0, None, None, None))
                S = self.spend(S, 'restart')._replace(servers=rows)
                for c, x in enumerate(S.clients):  # one lookup, one connection, one server life
                    if x.at == 'look-gens' and self.operation(S, c)[1] == k:
                        S = self.update(S, c, at='look', value=None)
                return S
            out.append((f'server {k} restarts empty', restart))

    def never_expires(self, slot, record):
        return slot == 2 and 'lease without end' in self.faults \
            or slot == 3 and record[0] == 'L' and 'marker without end' in self.faults \
            or slot == 3 and record[0] == 'F' and 'failure without end' in self.faults

    # ---------- what must hold
    def check(self, S):
        for k, (_, gen, item, _) in enumerate(S.servers):
            if item is None or not gen or 'late set' in self.faults:
                continue
            (record, cas), can = item, []
            for c, x in enumerate(S.clients):
                if x.at not in ('fill-learn', 'fill') or self.operation(S, c)[1] != k \
                        or x.mode in ('r', 'e') or x.gen != gen[0][1]:
                    continue
                if record[0] == 'L' and \
                        (record[1] == (c, x.seq) or 'lease without token' in self.faults):
                    can.append(c)
                elif record[0] == 'E' and x.mode == 'E' and x.cas == cas:
                    can.append(c)
            if len(can) > 1:
                raise Violation(f'(b) fills of clients {can} can both succeed')

    def check_alone(self, S):
        """(d): once all expiry times have passed, a lone reader fills every key, then hits."""
        rows = []
        for row in S.servers:
            row = list(row)
            for slot in (2, 3):
                if row[slot] and row[slot][0][0] in 'LEF' \
                        and not self.never_expires(slot, row[slot][0]):
                    row[slot] = None
            rows.append(tuple(row))
        rows = tuple(rows)
        if rows in self.alone_seen:
            return
        self.alone_seen.add(rows)
        for protocol in 'cm':
            reads = [('get', k) for k in range(self.n) for _ in (0, 1)]
            alone = Model('alone', [(protocol, reads)], {}, self.n, self.faults)
            T = alone.initial()._replace(servers=rows, mint=S.mint, effect=S.effect,
                                         fresh_effect=S.fresh_effect)
            T = T._replace(clients=(T.clients[0]._replace(seq=99),))
            for _ in range(60):
                if T.clients[0].at == 'done':
                    break
                T = alone.steps(T)[0][1]()
            else:
                raise Violation('(d) a lone reader does not finish')
            for _, gen, item, _ in T.servers:
                if not (gen and item and item[0][0] == 'V' and not item[0][5] and
                        (item[0][4] == gen[0][1] or 'generation ignored' in self.faults)):
                    raise Violation(f'(d) a lone {protocol} reader leaves {item} for ever')

    def run(self, limit=3_000_000):
        begun, first = time.time(), self.initial()
        seen, queue, steps = {first: None}, deque([first]), 0

        def path(S):
            labels = []
            while seen[S] is not None:
                S, label = seen[S]
                labels.append(label)
            return labels[::-1]

        def result(error, labels=()):
            return self.name, len(seen), steps, time.time() - begun, error, list(labels)
        while queue:
            S = queue.popleft()
            try:
                self.check(S)
                if all(x.at in ('done', 'dead') for x in S.clients):
                    self.check_alone(S)
            except Violation as error:
                return result(str(error), path(S))
            for label, step in self.steps(S):
                steps += 1
                try:
                    T = step()
                except Violation as error:
                    return result(str(error), path(S) + [label])
                if T not in seen:
                    seen[T] = (S, label)
                    queue.append(T)
            if len(seen) > limit:
                return result('LIMIT')
        return result(None)


def after(reason):
    """The flag of a lease that takes over a record freed for this reason."""
    return AFTER_FAILURE if reason == 'failed' else AFTER_DROP


GET, OTHER, PUT, REFRESH = ('get', 0), ('get', 1), ('put', 0), ('refresh', 0)
INVALIDATE, FLUSH = [('inv', 0), GET], [('flush',), GET]
EXPIRE = [('expire', 0), GET]


def algorithm(deep=False):
    """Configurations of the real algorithm: none may show a violation."""
    out = []
    for a, b, protocols in (('c', 'c', 'classic'), ('m', 'm', 'meta'), ('c', 'm', 'mixed')):
        every = dict(evict=1, expire=1, restart=1, loss=1, crash=1)

        def add(what, programs, budgets=every, start='gens', **more):
            out.append(Model(f'{protocols}: {what}', programs, budgets, start=start, **more))
        two, three = [(a, [GET]), (b, [GET])], [(a, [GET]), (b, [GET]), (a, [GET])]
        four = three + [(b, [GET])]
        wide = 2 if deep else 1
        add('3 readers, nothing goes wrong', three, {}, counted=True, patience=2)
        add('2 readers, one disturbance', two, counted=True, most=1)
        add('invalidate', [(a, [GET]), (b, INVALIDATE)], most=wide)
        add('invalidate, 2 readers', two + [(a, INVALIDATE)], most=wide, patience=wide - 1)
        add('no generation yet', [(a, [GET]), (b, INVALIDATE)], start='empty', most=wide)
        add('flush of 2 servers', [(a, [GET]), (b, FLUSH)], servers=2, most=wide)
        add('flush of 2 servers, values there', [(a, [OTHER]), (b, FLUSH)], servers=2,
            start='stale', most=1)
        add('stale value, invalidate', [(a, [GET]), (b, INVALIDATE)], start='stale', most=wide)
        add('stale value, 2 readers', two + [(a, INVALIDATE)],
            dict(evict=1, expire=1, loss=1, crash=1), start='stale', most=wide, patience=0)
        add('stale value, flush', [(a, [GET]), (b, FLUSH)], start='stale', most=wide)
        add('past its expiry', [(a, [GET]), (b, INVALIDATE)], start='past', most=wide)
        add('past its expiry, 2 readers', two, start='past', counted=True, most=1)
        add('stale value, 3 readers', three, {}, start='stale', counted=True)
        add('expire', [(a, [GET]), (b, EXPIRE)], start='stale', most=wide)
        add('expire on a lease', [(a, [GET]), (b, EXPIRE)], most=wide)
        add('refresh of a value', [(a, [REFRESH]), (b, INVALIDATE)], start='fresh', most=wide)
        add('refresh on a lease', [(a, [GET]), (b, [REFRESH, GET])], most=wide)
        add('put', [(a, [PUT]), (b, INVALIDATE)])
        add('put on a value', [(a, [PUT]), (b, INVALIDATE)], start='stale')
        add('put on a lease, late commands', [(a, [GET]), (b, [PUT] + INVALIDATE)],
            dict(loss=1, expire=1))
        add('callers of one process join', [(a, [GET]), (a, INVALIDATE)], peers={1: 0})
        # Origin calls that leave nothing to use.
        nothing = dict(fail=1, drop=1, renew=1, expire=1, loss=1, evict=1)
        nothing['pass'] = 1
        add('origin comes to nothing, renewals', [(a, [GET]), (b, INVALIDATE)], nothing, most=wide)
        for name in ('fail', 'pass', 'drop'):
            many = {name: 4 if name != 'drop' else 2}
            add(f'{name}: 3 readers', three, many, counted=True, patience=3)
            if deep:
                add(f'{name}: 4 readers', four, many, counted=True, patience=2)
            add(f'{name}: 2 readers, one disturbance', two, {**every, name: 2}, counted=True,
                most=1, patience=2)
            add(f'{name}: on error, 3 readers', three, many, start='on error', counted=True,
                patience=2)
            add(f'{name}: past its expiry, 3 readers', three, many, start='past', counted=True,
                patience=2)
            add(f'{name}: on error, invalidate', [(a, [GET]), (b, INVALIDATE)], {**every, name: 1},
                start='on error', most=wide)
            add(f'{name}: past its expiry, expire', [(a, [GET]), (b, EXPIRE)],
                {**every, name: 1}, start='past', most=wide)
            add(f'{name}: callers of one process', [(a, [GET]), (a, [GET]), (b, [GET])], many,
                counted=True, patience=2, peers={1: 0})
        add('holder killed, 3 readers', three, dict(crash=1), counted=True, patience=3)
        add('polls that fail', two, dict(loss=wide), counted=True, patience=3, most=3)
    return out


def planted():
    """Configurations with one fault each: every one must show a violation."""
    def three(third=INVALIDATE, a='c'):
        return [(a, [GET]), (a, [GET]), (a, third)]

    def case(name, programs, budgets, start='gens', **more):
        return Model(name, programs, budgets, start=start, faults=[name], **more)
    classic, readers = [('c', [GET])], [('c', [GET]), ('c', [GET])]
    pass_once, nothing = {'pass': 1}, dict(fail=2)
    return [
        case('late set', three(), {}),
        case('lease without token', three(), dict(expire=1)),
        case('generation counts up', [('c', [GET, GET]), ('c', [('flush',)])], dict(evict=1),
             start='empty'),
        case('marker without end', [('m', [GET]), ('m', [GET])], dict(crash=1), start='stale'),
        case('free by delete', readers, dict(expire=1, fail=1)),
        case('lease without end', classic, dict(crash=1)),
        case('empty is a value', [('m', [GET]), ('c', [GET])], {}),
        case('lost mint believed', [('m', [GET]), ('c', FLUSH)], dict(loss=1), start='empty'),
        case('generation ignored', three(FLUSH), {}, start='fresh'),
        case('bypass stores', three(), {}, patience=0),
        case('generation read at fill', three(FLUSH), {}),
        case('renew by set', [('c', [GET]), ('c', INVALIDATE)], dict(renew=1)),
        case('partial flush acknowledged', [('c', [GET]), ('c', FLUSH)], dict(loss=1), servers=2,
             start='fresh'),
        case('generations first', readers, dict(evict=1)),
        case('not stamped after a mint', [('m', [GET]), ('c', [('inv', 0), GET, GET])],
             dict(restart=1, evict=1)),
        case('join without lookup', [('c', [GET]), ('c', INVALIDATE)], {}, peers={1: 0}),
        case('past is served', readers, {}, start='past'),
        case('any record taken over', three([GET]), dict(fail=1)),
        case('put ordered at lookup', [('c', [PUT]), ('c', INVALIDATE)], {}),
        # Waiting that does not end, and origin calls that nothing explains.
        case('waits twice', three([GET]), nothing, counted=True, patience=4),
        case('pass is a value', readers, pass_once, patience=2),
        case('failure without end', readers, dict(fail=1), start='on error'),
        case('failure forgotten', readers, dict(fail=1), start='on error', counted=True,
             patience=3),
        case('gone means failed', three([GET]), dict(crash=1), counted=True, patience=4),
        case('copy thrown away', [('m', [GET]), ('m', [GET])], dict(crash=1, loss=1),
             start='on error', counted=True, patience=3),
    ]


def job(which):
    kind, i = which
    models = algorithm('deep' in sys.argv) if kind == 'algorithm' else planted()
    return which, models[i].run()


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ['trace']:
        for model in planted():
            if arguments[1] in model.name:
                found = model.run()
                print(f'{model.name}: {found[4]}', *found[5], sep='\n    ')
        return 0
    jobs = [('planted', i) for i in range(len(planted()))]
    if arguments != ['faults']:
        jobs += [('algorithm', i) for i in range(len(algorithm('deep' in arguments)))]
    begun, states, steps, wrong = time.time(), 0, 0, 0
    with Pool(2) as pool:
        for (kind, _), (name, seen, made, took, error, path) in pool.imap(job, jobs):
            right = error is None if kind == 'algorithm' else error not in (None, 'LIMIT')
            wrong += not right
            if kind == 'algorithm':
                states, steps = states + seen, steps + made
            verdict = 'ok   ' if right else 'WRONG'
            print(f'{verdict} {kind:9} {name:45} {seen:8} states {took:6.1f} s  {error or ""}',
                  flush=True)
            if not right:
                print(*path, sep='\n        ')
    print(f'{states} states and {steps} steps of the algorithm in {time.time() - begun:.0f} s; '
          f'{wrong} unexpected')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
