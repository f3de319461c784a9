"""Many commands, some at a time: what is begun when, and what becomes of results.

Everything happens on the loop's thread: a shot that is over makes room, and what comes next
is begun in the same turn of the loop.
"""
from procession._engine cimport engine_of
from procession._shot cimport OVER, Shot, Sink, Terms
from procession._waiter cimport Waiter

from collections import deque
from heapq import heappop, heappush

cdef enum:
    # Half a millisecond's worth. The rest has the next turn of the loop.
    BEGUN_PER_TURN = 16


cdef class Single(Sink):
    def __init__(self, loop, Terms terms, args):
        self.loop = loop
        self.shot = Shot(terms, args)

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
    def __init__(self, loop, Terms terms, terms_of, int capacity, *, source=None, ahead=0,
                 ordered=False, stops_on_error=False):
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

    # What comes in

    def put(self, item, future=None, Terms terms=None):
        """Queue a command. Return its shot."""
        cdef Shot shot
        if terms is None:
            terms, args = self.terms_of(item)
        else:
            args = item
        shot = Shot(terms, args, self.begun)
        self.begun += 1
        shot.future = future
        heappush(self.queue, (-terms.priority, shot.index, shot))
        self._schedule()
        return shot

    cdef Shot _pull(self):
        """Take the next command of the iterator, None if there is none."""
        cdef Shot shot
        cdef Terms terms = self.terms
        try:
            item = next(self.source)
            kind = type(item)
            if kind is not list and kind is not tuple and kind is not str:
                terms, item = self.terms_of(item)
        except StopIteration:
            self.source = None
            return None
        except Exception as error:
            # For whoever takes the results, after all that is under way.
            self.source = None
            self.failure = error
            return None
        shot = Shot(terms, item, self.begun)
        self.begun += 1
        return shot

    cdef bint _has_room(self):
        """Whether another command may be taken, given what waits already."""
        return (len(self.running) + len(self.queue) + len(self.delayed) + len(self.ready)
                + len(self.held) < self.capacity + self.ahead)

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
        cdef int weight
        if self.used >= self.capacity or self.stalled is not None:
            return False
        if self.queue:
            shot = self.queue[0][2]
        elif self.source is not None and self._has_room():
            shot = self._pull()
            if shot is None:
                self._look_finished()
                return False
            heappush(self.queue, (-shot.terms.priority, shot.index, shot))
        else:
            return False
        # What is heavier than all of the capacity runs by itself.
        weight = min(shot.terms.weight, self.capacity)
        if self.used + weight > self.capacity:
            return False
        heappop(self.queue)
        if self.slots:
            shot.slot = heappop(self.slots)
        else:
            shot.slot = self.most_slots
            self.most_slots += 1
        self.used += shot.terms.weight
        self.running.add(shot)
        if not shot.begin(engine_of(self.loop), self):
            self._ended(shot)
        return True

    cdef int _schedule(self) except -1:
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.fill)
        return 0

    # What has ended

    cdef int _over(self, Shot shot) except -1:
        self._ended(shot)
        # An iterator is the program's code, and has its place in a turn of the loop or in
        # the task of the consumer.
        if self.source is None:
            self.fill()
        elif self.consumer is None:
            self._schedule()
        return 0

    cdef int _ended(self, Shot shot) except -1:
        self.running.discard(shot)
        self.used -= shot.terms.weight
        heappush(self.slots, shot.slot)
        if shot.error is not None and self._stall(shot):
            return 0
        result = shot.result()
        if self.trace is not None:
            self.trace.add(result)
        if not result.ok:
            if self._again(shot):
                return 0
            self.failed += 1
        self.done += 1
        if shot.future is not None:
            future, shot.future = shot.future, None
            if not future.done():
                future.set_result(result)
        elif self.ordered:
            self.held[shot.index] = result
        else:
            self.ready.append(result)
        if self.stops_on_error and not result.ok and not self.closing:
            self.stop()
        return self._look_finished()

    cdef int _look_finished(self) except -1:
        """Wake the consumer if there is something for it, and all others at the end."""
        idle = not (self.running or self.queue or self.delayed)
        if self.consumer is not None and (
                self.ready or self.given in self.held or (idle and self.source is None)):
            consumer, self.consumer = self.consumer, None
            engine_of(self.loop).wake(consumer, None)
        if idle:
            self._wake_all()
        return 0

    cdef int _wake_all(self) except -1:
        idlers, self.idlers = self.idlers, []
        for waiter in idlers:
            engine_of(self.loop).wake(waiter, None)
        return 0

    cdef int _stall(self, Shot shot) except -1:
        """Queue a command again that met a limit of the machine; go on when a child has
        ended, whoever's. Return whether there is one whose end can be waited for."""
        cdef Shot other
        if self.closing or getattr(shot.error, "limit", None) is None:
            return False
        if self.stalled is None:
            waiter = engine_of(self.loop).begin_end()
            if waiter is None:
                return False
            waiter.add_done_callback(self._go_on)
            self.stalled = waiter
            self.stall = shot.error
        other = Shot(shot.terms, shot.args, shot.index, shot.attempts)
        other.future = shot.future
        heappush(self.queue, (-other.terms.priority, other.index, other))
        return True

    def _go_on(self, waiter):
        self.stalled = self.stall = None
        self.fill()
        self._look_finished()

    cdef bint _again(self, Shot shot) except -1:
        """Whether a command that has failed is to be tried once more."""
        cdef Shot other
        if self.closing or shot.attempts > shot.terms.retries or shot.reason == "cancelled":
            return False
        other = Shot(shot.terms, shot.args, shot.index, shot.attempts + 1)
        other.future = shot.future
        self.retried += 1
        delay = shot.terms.backoff(shot.attempts)
        self.delayed[other] = self.loop.call_later(delay, self._requeue, other)
        return True

    def _requeue(self, Shot shot):
        self.delayed.pop(shot, None)
        heappush(self.queue, (-shot.terms.priority, shot.index, shot))
        self.fill()

    # What goes out

    def take(self):
        """Return the next result, None if there is none yet; begin what there is room for."""
        if self.used < self.capacity:
            self.fill()
        if self.ordered:
            result = self.held.pop(self.given, None)
        else:
            result = self.ready.popleft() if self.ready else None
        if result is not None:
            self.given += 1
        return result

    def finished(self):
        """Return True if no more will come."""
        return not (self.running or self.queue or self.delayed or self.ready or self.held
                    or self.source is not None or self.feeding)

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
            self.failure = failure
        self._look_finished()
        if self.consumer is not None and self.finished():
            consumer, self.consumer = self.consumer, None
            engine_of(self.loop).wake(consumer, None)

    def begin_idle(self):
        """Return what is done when nothing runs and nothing is queued, None if that is so."""
        if not (self.running or self.queue or self.delayed):
            return None
        waiter = Waiter(self.loop)
        self.idlers.append(waiter)
        return waiter

    # Control

    def resize(self, int capacity):
        """Change how much may run at once. What runs goes on."""
        self.capacity = capacity
        self._schedule()

    def stop_one(self, Shot shot):
        """Nobody wants this one any more."""
        shot.future = None
        if shot in self.running:
            shot.stop("cancelled", shot.terms.grace_ns)
            return
        handle = self.delayed.pop(shot, None)
        if handle is not None:
            handle.cancel()
        entry = (-shot.terms.priority, shot.index, shot)
        if entry in self.queue:
            self.queue.remove(entry)
            self.queue.sort()
        self.done += 1
        self._look_finished()

    def stop(self, grace=None):
        """Begin nothing more, and end what runs: each gives a result still."""
        cdef Shot shot
        cdef long long patience = -1 if grace is None else <long long>(grace * 1e9)
        self.closing = True
        self.source = None
        queue, self.queue = self.queue, []
        delayed, self.delayed = self.delayed, {}
        for handle in delayed.values():
            handle.cancel()
        # What was only in the queue has a result where somebody waits for that one.
        for shot in [entry[2] for entry in sorted(queue)] + list(delayed):
            if shot.future is not None or self.ordered:
                shot.reason = "cancelled"
                shot.slot = -1
                result = shot.result()
                self.done += 1
                if shot.future is not None:
                    if not shot.future.done():
                        shot.future.set_result(result)
                else:
                    self.held[shot.index] = result
        for shot in tuple(self.running):
            shot.stop("cancelled", shot.terms.grace_ns if patience < 0 else patience)
        self._look_finished()

    def drop(self):
        """The same; nobody will take a result."""
        cdef Shot shot
        self.closing = True
        for shot in tuple(self.running):
            shot.sink = None
        self.stop()
        self.running.clear()
        self.ready.clear()
        self.held.clear()
        self.feeding = False
