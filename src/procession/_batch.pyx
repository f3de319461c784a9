"""Many commands, some at a time: what is begun when, and what becomes of results.

Everything happens on the loop's thread: a shot that is over makes room, and what comes next
is begun in the same turn of the loop.
"""
from procession._capture cimport Capture
from procession._engine cimport Engine, engine_of
from procession._shot cimport OVER, WAITING, Shot, Sink, Terms
from procession._waiter cimport Waiter

import os
from collections import deque
from heapq import heapify, heappop, heappush

from procession.draining import warn_of_holders

cdef enum:
    # Half a millisecond's worth. The rest has the next turn of the loop.
    BEGUN_PER_TURN = 16
    # No limit of the machine is in sight.
    UNLIMITED = -1

# In seconds, how long a limit of the machine is taken to be met still when no child ends:
# other processes may have given back what was wanting, or threads of our own, which end
# soon when they have nothing to do.
cdef double NEXT_LOOK = 0.25


cdef class Single(Sink):
    def __init__(self, loop, Terms terms, args):
        self.loop = loop
        self.shot = Shot(terms, args)

    cdef int _held_open(self, Shot shot) except -1:
        # Not for those of a batch: all the processes of the machine are looked through.
        warn_of_holders(shot.pid, [
            (<Capture>capture).fd for capture in (shot.out, shot.err)
            if capture is not None and not (<Capture>capture).eof])
        return 0

    def begin(self):
        """Begin. Return what is done with the end of the command.

        Raises:
            OSError, ValueError, TypeError: it could not be started, nothing is left.
        """
        self.waiter = Waiter(self.loop)
        if not self.shot.begin(engine_of(self.loop), self):
            raise self.shot.error
        return self.waiter

    cdef int _over(self, Shot shot) except -1:
        shot.engine.wake(self.waiter, None)
        return 0

    def again(self):
        """Return the same once more; it may be done."""
        self.waiter = Waiter(self.loop)
        if self.shot.stage == OVER:
            self.waiter.settle(None)
        return self.waiter

    def stop(self, grace=None):
        """End the tree, seconds after SIGTERM by SIGKILL."""
        cdef Shot shot = self.shot
        shot.stop("cancelled", shot.terms.grace_ns if grace is None else <long long>(grace * 1e9))

    def drop(self):
        """The same at once; nobody wants to know."""
        self.shot.sink = None
        self.shot.stop("cancelled", 0)

    def so_far(self):
        """Return (stdout, stderr) as subprocess has them in a TimeoutExpired."""
        out, err = self.shot.outputs()
        return out or None, err or None


cdef class Batch(Sink):
    def __init__(self, loop, Terms terms, terms_of, Py_ssize_t capacity, *, source=None,
                 ahead=0, ordered=False, stops_on_error=False):
        self.loop = loop
        self.terms = terms
        self.terms_of = terms_of
        self.capacity = capacity
        self.source = source
        self.ahead = ahead
        self.ordered = ordered
        self.stops_on_error = stops_on_error
        self.queue = []
        self.running = set()
        self.delayed = {}
        self.ready = deque()
        self.held = {}
        self.slots = []
        self.idlers = []
        self.wanted = {}
        self.allowed = UNLIMITED
        self.pid = os.getpid()

    # What comes in

    def put(self, item, future=None, Terms terms=None):
        """Queue a command. Return its number, which stop_one() takes.

        Raises:
            RuntimeError: nothing more is begun.
        """
        cdef Shot shot
        if self.closing:
            raise RuntimeError("the batch is being ended")
        if terms is None:
            shot = self._shot_of(item)
        else:
            shot = Shot(terms, item, self.begun)
            self.begun += 1
        if future is not None:
            shot.future = future
            self.wanted[shot.index] = shot
        self._queue(shot)
        self._schedule()
        return shot.index

    cdef Shot _shot_of(self, item):
        """Return an item of the iterable as a command. What is wrong with its options is
        wrong with this one only."""
        cdef Shot shot
        cdef Terms terms = self.terms
        failure = None
        kind = type(item)
        if kind is not list and kind is not tuple and kind is not str:
            try:
                terms, item = self.terms_of(item)
            except Exception as error:
                failure = error
                item = getattr(item, "args", item)
        shot = Shot(terms, item, self.begun)
        shot.error = failure
        self.begun += 1
        return shot

    cdef Shot _pull(self):
        """Take the next command of the iterator, None if there is none."""
        try:
            item = next(self.source)
        except StopIteration:
            self.source = None
            return None
        except BaseException as error:
            # For whoever takes the results, after all that is under way.
            self.source = None
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            self._fail(error)
            return None
        # The iterator may have ended the batch.
        return None if self.closing else self._shot_of(item)

    cdef int _queue(self, Shot shot) except -1:
        heappush(self.queue, (-<long long>shot.terms.priority, shot.index, shot))
        return 0

    cdef Shot _first(self):
        """Return the next of the queue, None if it is empty."""
        cdef Shot shot
        while self.queue:
            shot = self.queue[0][2]
            if shot.stage != OVER:
                return shot
            heappop(self.queue)
            self.withdrawn -= 1
        return None

    cdef bint _has_room(self):
        """Whether another command may be taken, given what waits already."""
        return (len(self.running) + len(self.queue) + len(self.delayed) + len(self.ready)
                + len(self.held) - self.capacity < self.ahead)

    # What is begun

    def fill(self):
        """Begin as much as may be begun."""
        self.scheduled = False
        if self.filling or self.used >= self.capacity:
            return
        self.filling = True
        cdef int n = 0
        try:
            while n < BEGUN_PER_TURN and self._begin_next():
                n += 1
        finally:
            self.filling = False
        if n == BEGUN_PER_TURN:
            self._schedule()
        if self.feeder is not None and self._has_room():
            self._wake_feeder()

    cdef int _wake_feeder(self) except -1:
        feeder, self.feeder = self.feeder, None
        engine_of(self.loop).wake(feeder, None)
        return 0

    cdef bint _begin_next(self) except -1:
        cdef Shot shot
        cdef bint is_under_way
        if self.used >= self.capacity:
            self.allowed = UNLIMITED
            return False
        if self.stalled is not None or self.allowed == 0:
            return False
        shot = self._first()
        if shot is None:
            if self.source is None or not self._has_room():
                return False
            shot = self._pull()
            if shot is None:
                self._look_finished()
                return False
            self._queue(shot)
        # What is heavier than all of the capacity runs by itself.
        if min(shot.terms.weight, self.capacity) > self.capacity - self.used:
            return False
        heappop(self.queue)
        if self.allowed > 0:
            self.allowed -= 1
        self._seat(shot)
        engine = engine_of(self.loop)
        shot.ended_before = engine.ended
        try:
            if self.prepare is not None and shot.error is None:
                self._prepare(shot)
            is_under_way = shot.error is None and shot.begin(engine, self)
        except BaseException:
            # An interruption: nothing was started.
            self._unseat(shot)
            self._allow(1)
            self._queue(self._renewed(shot, shot.attempts))
            raise
        if not is_under_way:
            self._ended(shot)
        return True

    cdef int _prepare(self, Shot shot) except -1:
        """Have it prepared. What is raised is wrong with this one only."""
        try:
            self.prepare(shot)
        except Exception as error:
            shot.error = error
        return 0

    cdef int _seat(self, Shot shot) except -1:
        if self.slots:
            shot.slot = heappop(self.slots)
        else:
            shot.slot = self.most_slots
            self.most_slots += 1
        self.used += shot.terms.weight
        self.running.add(shot)
        return 0

    cdef int _unseat(self, Shot shot) except -1:
        self.running.discard(shot)
        self.used -= shot.terms.weight
        heappush(self.slots, shot.slot)
        return 0

    cdef Shot _renewed(self, Shot shot, int attempts):
        """Return the same command once more, for whoever wants its result."""
        cdef Shot other = Shot(shot.terms, shot.item, shot.index, attempts)
        other.future = shot.future
        if shot.index in self.wanted:
            self.wanted[shot.index] = other
        return other

    cdef int _schedule(self) except -1:
        if not self.scheduled:
            self.loop.call_soon(self.fill)
            self.scheduled = True
        return 0

    # What has ended

    cdef int _over(self, Shot shot) except -1:
        cdef bint is_awaited = self.consumer is not None
        self._ended(shot)
        # An iterator is the program's code, and has its place in the task of the consumer,
        # who takes from it when woken, or in a turn of the loop.
        if self.source is None:
            self.fill()
        elif not is_awaited or self.consumer is not None:
            self._schedule()
        return 0

    cdef int _ended(self, Shot shot) except -1:
        interrupt = None
        self._unseat(shot)
        if self._stall(shot):
            return 0
        self._allow(2)
        if shot.error is None:
            self.is_hopeless = False
        result = shot.result()
        try:
            self._note(result)
            if not result.ok and self._again(shot):
                return 0
        except BaseException as error:
            # It costs nobody a result.
            interrupt = error
        self._give(shot, result)
        if self.stops_on_error and not result.ok and not self.closing:
            self.stop()
        self._look_finished()
        if interrupt is not None:
            raise interrupt
        return 0

    cdef int _give(self, Shot shot, result) except -1:
        """This is the result of the command, whatever attempts there were."""
        self.done += 1
        if not result.ok:
            self.failed += 1
        if shot.future is not None:
            self.wanted.pop(shot.index, None)
            future, shot.future = shot.future, None
            if not future.done():
                future.set_result(result)
        elif self.ordered:
            self.held[shot.index] = result
        else:
            self.ready.append(result)
        return 0

    cdef int _note(self, result) except -1:
        """Put it into the trace, until that fails."""
        trace = self.trace
        if trace is None:
            return 0
        try:
            trace.add(result)
        except Exception as error:
            self.trace = None
            self._fail(error)
        return 0

    cdef int _fail(self, error) except -1:
        """Keep an error for whoever takes the results."""
        if self.failure is None:
            self.failure = error
        return 0

    cdef bint _is_idle(self) except -1:
        return not self.running and not self.delayed and len(self.queue) == self.withdrawn

    cdef int _look_finished(self) except -1:
        """Wake the consumer if there is something for it, and all others at the end."""
        cdef bint is_idle = self._is_idle()
        if self.ready or self.given in self.held or (is_idle and self.source is None):
            self.wake_consumer()
        if is_idle:
            self._wake_all()
        return 0

    def wake_consumer(self):
        """Have whoever waits look again."""
        consumer, self.consumer = self.consumer, None
        if consumer is not None:
            engine_of(self.loop).wake(consumer, None)

    cdef int _wake_all(self) except -1:
        idlers, self.idlers = self.idlers, []
        for waiter in idlers:
            engine_of(self.loop).wake(waiter, None)
        return 0

    # At the limits of the machine no more is begun, after one spawn has met them, until a
    # child ends, and then one only, and two for each further end. So what cannot work is
    # not tried over and over, and it is found out if nothing can.

    cdef bint _stall(self, Shot shot) except -1:
        """Queue a command again that met a limit of the machine; go on when a child has
        ended, whoever's. Return False if it is the result: no child was left, nor was there
        after a while."""
        cdef Engine engine
        if shot.error is None or self.closing or shot.reason is not None:
            return False
        if getattr(shot.error, "limit", None) is None:
            return False
        engine = engine_of(self.loop)
        if engine.ended != shot.ended_before:
            # One has ended since, and may have given back what was wanting.
            self.allowed = max(self.allowed, 0) + 1
            self._schedule()
        elif self.stalled is None:
            waiter = engine.begin_end()
            if waiter is not None:
                waiter.add_done_callback(self._go_on)
            elif self.is_hopeless:
                return False
            else:
                self.is_hopeless = True
                waiter = Waiter(self.loop)
            self.stalled = waiter
            self.stall = shot.error
            self.next_look = self.loop.call_later(NEXT_LOOK, self._go_on, waiter)
        self._queue(self._renewed(shot, shot.attempts))
        return True

    cdef int _allow(self, int more) except -1:
        if self.allowed != UNLIMITED:
            self.allowed += more
        return 0

    cdef int _wait_no_more(self) except -1:
        """Forget the limit that was met."""
        if self.stalled is not None:
            engine_of(self.loop).end_failed(self.stalled)
            self.next_look.cancel()
            self.stalled = self.stall = self.next_look = None
        return 0

    def _go_on(self, waiter):
        if waiter is self.stalled:
            self._wait_no_more()
            self.allowed = 1
            self.fill()
            self._look_finished()

    cdef bint _again(self, Shot shot) except -1:
        """Whether a command that has failed is to be tried once more."""
        cdef Shot other
        if (self.closing or shot.stage == WAITING or shot.attempts > shot.terms.retries
                or shot.reason == "cancelled"):
            return False
        try:
            delay = shot.terms.backoff(shot.attempts)
            if not delay >= 0:
                raise ValueError(f"backoff must be 0 or more seconds, not {delay}")
            other = self._renewed(shot, shot.attempts + 1)
            self.delayed[other] = self.loop.call_later(delay, self._requeue, other)
        except Exception as error:
            self._fail(error)
            return False
        self.retried += 1
        return True

    def _requeue(self, Shot shot):
        del self.delayed[shot]
        self._queue(shot)
        self.fill()

    # What goes out

    def take(self):
        """Return the next result, None if there is none yet; begin what there is room for."""
        result = self._pop()
        try:
            if self.used < self.capacity:
                self.fill()
        except BaseException:
            # The iterator was interrupted.
            if result is not None:
                self._push(result)
            raise
        if result is None:
            # What could not be started is there already.
            result = self._pop()
        if self.feeder is not None and self._has_room():
            self._wake_feeder()
        return result

    cdef object _pop(self):
        if self.ordered:
            result = self.held.pop(self.given, None)
        else:
            result = self.ready.popleft() if self.ready else None
        if result is not None:
            self.given += 1
        return result

    cdef int _push(self, result) except -1:
        self.given -= 1
        if self.ordered:
            self.held[self.given] = result
        else:
            self.ready.appendleft(result)
        return 0

    def finished(self):
        """Return True if no more will come."""
        return (self._is_idle() and self.source is None
                and not (self.ready or self.held or self.feeding))

    def begin_wait(self):
        """Return what is done when take() is worth a try. One task may wait at a time."""
        self.consumer = Waiter(self.loop)
        return self.consumer

    def wait_failed(self):
        """Nobody waits any more."""
        self.consumer = None

    def begin_room(self):
        """Return what is done when there is room for another command, None if there is."""
        if self._has_room():
            return None
        self.feeder = Waiter(self.loop)
        return self.feeder

    def fed(self, failure=None):
        """No more commands come from elsewhere."""
        self.feeding = False
        self.feeder = None
        if failure is not None:
            self._fail(failure)
        self._look_finished()

    def begin_idle(self):
        """Return what is done when nothing runs and nothing is queued, None if that is so."""
        if self._is_idle():
            return None
        waiter = Waiter(self.loop)
        self.idlers = [idler for idler in self.idlers if not idler.done()]
        self.idlers.append(waiter)
        return waiter

    # Control

    @property
    def queued(self):
        """How many commands wait for their turn."""
        return len(self.queue) - self.withdrawn

    def next_weight(self):
        """Return how many places the next of the queue takes, 0 if it is empty."""
        cdef Shot shot = self._first()
        return 0 if shot is None else min(shot.terms.weight, self.capacity)

    def resize(self, Py_ssize_t capacity):
        """Change how much may run at once. What runs goes on."""
        self.capacity = capacity
        self._schedule()

    def stop_one(self, index):
        """Nobody wants this one any more. It gives no result."""
        cdef Shot shot = self.wanted.pop(index, None)
        if shot is None:
            return
        if shot in self.running:
            shot.stop("cancelled", shot.terms.grace_ns)
            return
        shot.future = None
        handle = self.delayed.pop(shot, None)
        if handle is not None:
            handle.cancel()
        else:
            # It stays in the queue until its turn comes, or half of all are such.
            shot.stop("cancelled", 0)
            self.withdrawn += 1
            if self.withdrawn * 2 > len(self.queue):
                self.queue = self._wanted_of(self.queue)
                heapify(self.queue)
                self.withdrawn = 0
        self.done += 1
        self.failed += 1
        # It may have been too heavy for what is free.
        self._schedule()
        self._look_finished()

    cdef list _wanted_of(self, list queue):
        cdef Shot shot
        wanted = []
        for entry in queue:
            shot = entry[2]
            if shot.stage != OVER:
                wanted.append(entry)
        return wanted

    def give_up(self):
        """Begin nothing more. Every command that was taken gives a result still."""
        cdef Shot shot
        self.closing = True
        self.source = None
        if self.feeder is not None:
            self._wake_feeder()
        self._wait_no_more()
        queue, self.queue, self.withdrawn = self._wanted_of(self.queue), [], 0
        delayed, self.delayed = self.delayed, {}
        for handle in delayed.values():
            handle.cancel()
        for shot in [entry[2] for entry in sorted(queue)] + list(delayed):
            shot.reason = "cancelled"
            # The next one is not made.
            shot.attempts -= 1
            self._give(shot, shot.result())
        self._look_finished()

    def stop(self, grace=None):
        """The same, and end what runs."""
        cdef Shot shot
        cdef long long patience = -1 if grace is None else <long long>(grace * 1e9)
        self.give_up()
        for shot in tuple(self.running):
            # One that cannot be ended must not spare the others.
            try:
                shot.stop("cancelled", shot.terms.grace_ns if patience < 0 else patience)
            except Exception as error:
                self._fail(error)
        self._look_finished()

    def drop(self):
        """The same; nobody will take a result, but who has a future of it."""
        cdef Shot shot
        cdef list dropped = []
        self.closing = True
        for shot in self.running:
            if shot.future is None:
                shot.sink = None
                dropped.append(shot)
        self.stop()
        self.running.difference_update(dropped)
        self.ready.clear()
        self.held.clear()
        self.fed()
