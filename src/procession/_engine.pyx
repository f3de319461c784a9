"""One engine per event loop: all descriptors of its children behind a single one.

The loop watches the poller's descriptor, and that only while there is a child or a pipe.
An engine that has been idle for a few turns leaves no descriptor and no thread behind.
"""
cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from procession._errors cimport check
from procession._psn cimport (
    epoll_event,
    psn_poll_add,
    psn_poll_change,
    psn_poll_close,
    psn_poll_init,
    psn_poll_open,
    psn_poll_remove,
    psn_poll_take,
    psn_sys_close,
    psn_sys_write,
)
from procession._waiter cimport Waiter

import weakref
from collections import deque

cdef extern from "<pthread.h>" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef enum:
    # More would keep the loop from its other work for longer than they save.
    EVENTS_PER_WAKEUP = 16
    # The next command of a program that runs one after the other finds the engine as it
    # was, even with a wait_for() around it.
    IDLE_TURNS = 4

# id of a loop -> its engine. The engine holds the loop, so the id cannot be another's.
_engines = weakref.WeakValueDictionary()

# The engine that was asked for last, borrowed; NULL after its end.
cdef void *_latest = NULL

cdef int _living[<int>KINDS]

# How many forks lie between the start of the program and this process: an engine asks
# several times for each child, which getpid() would make a system call of.
cdef int _forks = 0


cdef void note_fork() noexcept nogil:
    global _forks
    _forks += 1


check(-pthread_atfork(NULL, NULL, note_fork))


cdef void count(kind_t kind, int by) noexcept:
    _living[<int>kind] += by


def live_objects():
    """Return how many objects of each kind own kernel or C resources right now."""
    return {"engine": _living[<int>ENGINE], "child": _living[<int>CHILD],
            "reader": _living[<int>READER], "writer": _living[<int>WRITER]}


# The destructor needs `engine`, which the garbage collector would clear before.
@cython.no_gc_clear
cdef class Source:
    def __cinit__(self):
        self.fd = -1
        self.slot = -1

    def __dealloc__(self):
        self.close_fd()

    cdef int _ready(self, uint32_t events) except -1:
        return 0

    cdef int _turn(self) except -1:
        return 0

    cdef int _time(self) except -1:
        return 0

    cdef int _loop_closed(self) except -1:
        return 0

    cdef int _let_go(self) except -1:
        self.close_fd()
        return 0

    cdef void close_fd(self) noexcept:
        if self.slot >= 0:
            self.engine.unwatch(self)
        psn_sys_close(&self.fd)


cdef class Door:
    """What the loop calls when the poller is readable.

    The loop's selector holds the only reference. A loop that is closed drops it, on
    asyncio and on uvloop alike, and so tells the engine at once, without a patch to the
    loop and without the garbage collector.
    """
    cdef Engine engine

    def __call__(self):
        if self.engine is not None:
            self.engine.dispatch()

    def __del__(self):
        engine, self.engine = self.engine, None
        if engine is not None:
            (<Engine>engine).loop_closed()


cdef class Engine:
    def __cinit__(self, loop):
        self.loop = loop
        psn_poll_init(&self.poll)
        self.free_slots = []
        self.held = set()
        self.ends = {}
        self.deferred = []
        self.awake = deque()
        self.forks = _forks
        self.wake_fd = -1
        count(ENGINE, 1)

    def __dealloc__(self):
        global _latest
        if _latest == <void *>self:
            _latest = NULL
        psn_poll_close(&self.poll)
        free(self.slots)
        count(ENGINE, -1)

    cdef bint mine(self) noexcept:
        return self.forks == _forks

    cdef bint serving(self) noexcept:
        return not self.gone and self.mine()

    cdef int use(self) except -1:
        if self.gone:
            raise RuntimeError("Event loop is closed")
        if self.poll.fd < 0:
            self._open()
        self.users += 1
        return 0

    cdef void unuse(self) noexcept:
        self.users -= 1
        # Not call_soon(): this may be a destructor, on any thread.
        cdef uint64_t one = 1
        if self.users == 0 and not self.dispatching and self.wake_fd >= 0 and self.mine():
            psn_sys_write(self.wake_fd, &one, sizeof(one))

    cdef _open(self):
        check(psn_poll_open(&self.poll))
        cdef Door door = Door()
        try:
            self.loop.add_reader(self.poll.fd, door)
        except BaseException:
            psn_poll_close(&self.poll)
            raise
        door.engine = self
        self.door = <void *>door
        self.idle_turns = 0

    cdef _close(self):
        if self.spawner is not None:
            self.spawner.close_fd()
            self.spawner = None
        if self.bell is not None:
            self.bell.close_fd()
            self.bell = None
        if self.clock is not None:
            self.clock.stop()
            self.clock = None
        psn_poll_close(&self.poll)

    cdef int watch(self, Source source, int fd, uint32_t events) except -1:
        cdef int slot = self._free_slot()
        cdef uint64_t data = (<uint64_t>self.slots[slot].generation << 32) | <uint32_t>slot
        cdef int rc = psn_poll_add(&self.poll, fd, events, data)
        if rc < 0:
            self.free_slots.append(slot)
            check(rc)
        self.slots[slot].source = <void *>source
        source.slot = slot
        source.fd = fd
        source.engine = self
        if not source.serves:
            self.users += 1
        return 0

    cdef int _free_slot(self) except -1:
        if self.free_slots:
            return self.free_slots.pop()
        cdef int old = self.n_slots
        cdef int new = old * 2 if old else 16
        cdef slot_t *slots = <slot_t *>realloc(self.slots, new * sizeof(slot_t))
        if slots == NULL:
            raise MemoryError
        memset(slots + old, 0, (new - old) * sizeof(slot_t))
        self.slots = slots
        self.n_slots = new
        self.free_slots.extend(range(new - 1, old, -1))
        return old

    cdef int change(self, Source source, uint32_t events) except -1:
        cdef int slot = source.slot
        cdef uint64_t data = (<uint64_t>self.slots[slot].generation << 32) | <uint32_t>slot
        return check(psn_poll_change(&self.poll, source.fd, events, data))

    cdef void unwatch(self, Source source) noexcept:
        cdef int slot = source.slot
        source.slot = -1
        # In a forked process the poller is the same kernel object as the parent's.
        if self.poll.fd >= 0 and self.mine():
            psn_poll_remove(&self.poll, source.fd)
        self.slots[slot].source = NULL
        self.slots[slot].generation += 1
        self.free_slots.append(slot)
        if not source.serves:
            self.unuse()

    cdef int defer(self, Source source) except -1:
        if not self.deferred:
            self.loop.call_soon(self.turn)
        self.deferred.append(source)
        return 0

    def turn(self):
        """Give deferred sources their turn."""
        cdef Source source
        deferred, self.deferred = self.deferred, []
        interrupt = None
        self.dispatching = True
        for source in deferred:
            # One failure must not cost the others their turn.
            try:
                source._turn()
            except Exception as exc:
                self._report(exc)
            except BaseException as exc:
                interrupt = exc
        self.end_turn(interrupt)

    cdef dispatch(self):
        cdef epoll_event events[EVENTS_PER_WAKEUP]
        cdef uint32_t slot
        cdef Source source
        cdef int i, n
        if not self.mine():
            return
        # What is left over keeps the poller readable, so the loop comes back for it.
        n = psn_poll_take(&self.poll, events, EVENTS_PER_WAKEUP)
        check(n)
        interrupt = None
        self.dispatching = True
        for i in range(n):
            slot = <uint32_t>events[i].data.u64
            if self.slots[slot].generation != events[i].data.u64 >> 32:
                continue
            if self.slots[slot].source == NULL:
                continue
            source = <Source>self.slots[slot].source
            # Events come once: one failure must not cost the others theirs.
            try:
                source._ready(events[i].events)
            except Exception as exc:
                self._report(exc)
            except BaseException as exc:
                interrupt = exc
        self.end_turn(interrupt)

    cdef int enter(self, Source child) except -1:
        self.held.add(child)
        self.children += 1
        return 0

    cdef int leave(self, Source child) except -1:
        if child not in self.held:
            return 0
        self.held.discard(child)
        self.children -= 1
        # Nobody is left who could end: one that could not be started was the last.
        if self.children == 0:
            self.tell_end()
        return 0

    cdef int tell_end(self) except -1:
        if not self.ends:
            return 0
        waiters, self.ends = self.ends, {}
        for waiter in waiters:
            self.wake(waiter, None)
        return 0

    def begin_end(self):
        """Return what is done with the end of any child, or None if there is no child."""
        if self.children == 0:
            return None
        waiter = Waiter(self.loop)
        self.ends[waiter] = None
        return waiter

    def end_failed(self, waiter):
        """Nobody waits any more for what begin_end() has returned."""
        self.ends.pop(waiter, None)

    cdef bint wake(self, Waiter waiter, error) except -1:
        if not waiter.settle(error):
            return False
        if self.gone:
            return True
        if self.dispatching:
            self.awake.append(waiter)
        else:
            waiter.schedule()
        return True

    cdef end_turn(self, interrupt):
        """All that the engine had to do is done: let the tasks go on that were woken by it.
        Each may change everything here."""
        cdef bint direct = bool(self.awake) and interrupt is None and self._may_step()
        while self.awake:
            waiter = self.awake.popleft()
            try:
                if direct:
                    (<Waiter>waiter).step()
                else:
                    (<Waiter>waiter).schedule()
            except Exception as exc:
                self._report(exc)
            except BaseException as exc:
                interrupt = exc
                direct = False
        self.dispatching = False
        self.look_idle()
        if interrupt is not None:
            raise interrupt

    cdef bint _may_step(self) except -1:
        """Whether tasks can be stepped from here: in debug mode the loop shows which task
        held it up; and a loop that may be run again by such a task (as nest_asyncio
        permits, and marks) could not call us while we are in the middle of its call."""
        return not (self.loop.get_debug() or getattr(self.loop, "_nest_patched", False))

    cdef _report(self, exc):
        self.loop.call_exception_handler(
            {"message": "procession: error while handling a child", "exception": exc})

    cdef int look_idle(self) except -1:
        if self.users == 0 and not self.settling and self.poll.fd >= 0:
            self.settling = True
            self.idle_turns = 0
            self.loop.call_soon(self.settle)
        return 0

    def settle(self):
        """Close everything if the engine has been idle for a few turns of the loop."""
        self.settling = False
        if self.users > 0 or self.poll.fd < 0:
            return
        self.idle_turns += 1
        if self.idle_turns < IDLE_TURNS:
            self.settling = True
            self.loop.call_soon(self.settle)
            return
        (<Door>self.door).engine = None
        self.door = NULL
        self.loop.remove_reader(self.poll.fd)
        self._close()

    cdef loop_closed(self):
        cdef Source source
        self.gone = True
        self.door = NULL
        if not self.mine():
            psn_poll_close(&self.poll)
            return
        sources = self.held | {
            <Source>self.slots[i].source for i in range(self.n_slots)
            if self.slots[i].source != NULL}
        sources = {source for source in sources if not (<Source>source).serves}
        self.dispatching = True
        for source in sources:
            source._loop_closed()
        for source in sources:
            source._let_go()
        self.deferred.clear()
        self.held.clear()
        self._close()
        self.dispatching = False


cpdef Engine engine_of(loop):
    """Return the engine of a loop, made on demand."""
    global _latest
    if _latest != NULL and (<Engine>_latest).loop is loop and (<Engine>_latest).serving():
        return <Engine>_latest
    engine = _engines.get(id(loop))
    if engine is None or not (<Engine>engine).serving():
        engine = _engines[id(loop)] = Engine(loop)
    _latest = <void *>engine
    return engine
