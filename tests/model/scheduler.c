#define _GNU_SOURCE
#include "scheduler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, size) ((void)(bottom))
#define __sanitizer_finish_switch_fiber(save, bottom, size)                            \
    ((void)(bottom), (void)(size))
#endif

#define MOST_FIBERS 24
#define MOST_CHOICES 4096
#define MOST_NOTES 2048
#define MOST_OPTIONS 64
#define MOST_TURNS 20000
#define STACK_BYTES (96 * 1024)
#define BEGINNING_NS 1000000000

struct fiber {
    ucontext_t context;
    const void *stack;
    size_t stack_bytes;
    void *fake_stack; /* the sanitizer's */
    void *(*body)(void *);
    void *arg;
    int (*is_over)(void *); /* NULL: can go on */
    void *what;
    int64_t deadline_ns;
    int may_be_late;
    int is_forced;
    int is_interrupted; /* the wait ended otherwise than by its event */
    int is_alive;
    int err; /* errno is each thread's own */
};

struct option {
    int fiber;
    enum { BY_ITSELF, BY_DEADLINE, LATE } how;
    int cost;
};

static struct fiber fibers[MOST_FIBERS];
static int n_fibers;
static int current;
static struct fiber *const searcher = &fibers[MOST_FIBERS - 1];

/* The choices of this run: `taken` of `of`. A prefix is given by the search. */
static struct choice {
    int taken, of;
} trail[MOST_CHOICES];
static int n_choices, n_given;

static struct note {
    int fiber, number;
    const char *what;
} notes[MOST_NOTES];
static int n_notes;

static int64_t now_ns;
static int budget_left;
static int n_turns, n_rests;
static long runs;

int scheduler_self(void)
{
    return current;
}

int64_t scheduler_now_ns(void)
{
    return now_ns;
}

void scheduler_note(const char *what, int number)
{
    if (n_notes < MOST_NOTES)
        notes[n_notes++] = (struct note){current, number, what};
}

void scheduler_fail(const char *what)
{
    fprintf(stderr, "run %ld, fiber %d: %s\n", runs + 1, current, what);
    for (int i = 0; i < n_notes; i++)
        fprintf(stderr, "  %*s%d: %s %d\n", 12 * notes[i].fiber, "", notes[i].fiber,
                notes[i].what, notes[i].number);
    abort();
}

int scheduler_choose(int n)
{
    if (n < 2)
        return 0;
    if (n_choices == MOST_CHOICES)
        scheduler_fail("no end");
    struct choice *choice = &trail[n_choices++];
    if (n_choices > n_given)
        *choice = (struct choice){0, n};
    else if (choice->of != n)
        scheduler_fail("the program is not the same each time");
    return choice->taken;
}

static void switch_to(struct fiber *from, struct fiber *to)
{
    from->err = errno;
    __sanitizer_start_switch_fiber(from->is_alive ? &from->fake_stack : NULL, to->stack,
                                   to->stack_bytes);
    swapcontext(&from->context, &to->context);
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
    errno = from->err;
}

/* What could happen next. The first one costs nothing, and follows the rule. */
static int list_options(struct option *options)
{
    int n = 0, can_run = 0, n_waits = 0;
    int64_t first_ns = FOREVER;

    for (int turn = 0; turn < n_fibers; turn++) {
        int i = (current + turn) % n_fibers;
        struct fiber *fiber = &fibers[i];
        if (!fiber->is_alive)
            continue;
        if (fiber->is_over == NULL || fiber->is_over(fiber->what)) {
            int cost = can_run && options[0].fiber == current;
            options[n++] = (struct option){i, BY_ITSELF, cost};
            can_run = 1;
        } else if (fiber->deadline_ns != FOREVER) {
            n_waits++;
            if (fiber->deadline_ns < first_ns)
                first_ns = fiber->deadline_ns;
        }
    }
    for (int i = 0; i < n_fibers && n_waits > 0; i++) {
        struct fiber *fiber = &fibers[i];
        if (!fiber->is_alive || fiber->is_over == NULL || fiber->is_over(fiber->what) ||
            fiber->deadline_ns == FOREVER)
            continue;
        if (can_run || fiber->deadline_ns == first_ns)
            options[n++] = (struct option){i, BY_DEADLINE, can_run};
    }
    for (int i = 0; i < n_fibers; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->is_alive && fiber->may_be_late && !fiber->is_over(fiber->what))
            options[n++] = (struct option){i, LATE, can_run || n_waits > 0};
    }
    return n;
}

/* Choose who goes on, and see to it that it can. Returns -1 at the end of the run. */
static int next_fiber(void)
{
    struct option options[MOST_OPTIONS];
    int n = list_options(options), affordable = 0;

    if (n_turns++ == MOST_TURNS)
        scheduler_fail("no end");
    if (n == 0) {
        for (int i = 0; i < n_fibers; i++)
            if (fibers[i].is_alive)
                scheduler_fail("everybody waits for ever");
        return -1;
    }
    for (int i = 0; i < n; i++)
        if (options[i].cost <= budget_left)
            options[affordable++] = options[i];
    const struct option *chosen = &options[scheduler_choose(affordable)];
    struct fiber *fiber = &fibers[chosen->fiber];
    budget_left -= chosen->cost;
    fiber->is_interrupted = chosen->how != BY_ITSELF;
    fiber->is_forced = chosen->how == LATE && options[0].how == LATE;
    if (chosen->how == BY_DEADLINE && fiber->deadline_ns > now_ns) {
        now_ns = fiber->deadline_ns;
        n_rests += options[0].how == BY_DEADLINE;
    }
    fiber->is_over = NULL;
    fiber->deadline_ns = FOREVER;
    fiber->may_be_late = 0;
    return chosen->fiber;
}

static void give_way(void)
{
    int before = current, next = next_fiber();

    if (next == before)
        return;
    current = next;
    switch_to(&fibers[before], next < 0 ? searcher : &fibers[next]);
}

void scheduler_point(void)
{
    give_way();
}

static int wait_for(int (*is_over)(void *), void *arg, int64_t deadline_ns,
                    int may_be_late)
{
    struct fiber *fiber = &fibers[current];

    fiber->is_over = is_over;
    fiber->what = arg;
    fiber->deadline_ns = deadline_ns;
    fiber->may_be_late = may_be_late;
    give_way();
    return fiber->is_interrupted ? -1 : 0;
}

int scheduler_wait(int (*is_over)(void *), void *arg, int64_t deadline_ns)
{
    return wait_for(is_over, arg, deadline_ns, 0);
}

int scheduler_wait_for_the_late(int (*is_over)(void *), void *arg, int *forced)
{
    int rc = wait_for(is_over, arg, FOREVER, 1);

    *forced = fibers[current].is_forced;
    return rc;
}

int scheduler_rests(void)
{
    return n_rests;
}

static void fiber_main(void)
{
    struct fiber *fiber = &fibers[current];

    const void *bottom = NULL;
    size_t bytes = 0;

    __sanitizer_finish_switch_fiber(NULL, &bottom, &bytes);
    if (current == 0) {
        searcher->stack = bottom;
        searcher->stack_bytes = bytes;
    }
    fiber->body(fiber->arg);
    fiber->is_alive = 0;
    give_way();
    scheduler_fail("a fiber has come back");
}

void scheduler_start(void *(*body)(void *), void *arg)
{
    if (n_fibers == MOST_FIBERS - 1)
        scheduler_fail("too many threads");
    struct fiber *fiber = &fibers[n_fibers++];
    if (fiber->stack == NULL) {
        void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED)
            scheduler_fail("no memory for a stack");
        fiber->stack = stack;
        fiber->stack_bytes = STACK_BYTES;
    }
    fiber->body = body;
    fiber->arg = arg;
    fiber->is_over = NULL;
    fiber->deadline_ns = FOREVER;
    fiber->may_be_late = 0;
    fiber->is_interrupted = 0;
    fiber->is_alive = 1;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = (void *)fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, fiber_main, 0);
}

static void *run_program(void *arg)
{
    (*(void (**)(void))arg)();
    return NULL;
}

/* The next prefix in the order of a depth-first search. Returns 0 when there is none.
 */
static int advance(void)
{
    while (n_choices > 0 && trail[n_choices - 1].taken + 1 == trail[n_choices - 1].of)
        n_choices--;
    if (n_choices == 0)
        return 0;
    trail[n_choices - 1].taken++;
    n_given = n_choices;
    return 1;
}

long scheduler_explore(void (*program)(void), void (*check)(void), int budget)
{
    runs = 0;
    n_choices = n_given = 0;
    searcher->is_alive = 1;
    do {
        n_choices = n_notes = n_fibers = n_turns = n_rests = 0;
        now_ns = BEGINNING_NS;
        budget_left = budget;
        current = 0;
        scheduler_start(run_program, &program);
        switch_to(searcher, &fibers[0]);
        check();
        runs++;
    } while (advance());
    return runs;
}
