/* Threads of a program as fibers that take turns as a search wants it. The program is
 * run again and again, each time with another order of turns, until every order has
 * been seen that has at most so many turns against the rule.
 *
 * The rule: who runs goes on until it waits, a wait ends by its event and not by its
 * deadline, and what is late comes last of all. Every departure from it costs one of
 * the budget; what is free, such as who of several goes on after a wait, is tried
 * anyway. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdint.h>

#define FOREVER INT64_MAX

/* Run the program in every order; after each run check() is called. Returns how many
 * runs there were. */
long scheduler_explore(void (*program)(void), void (*check)(void), int budget);

/* Choose one of 0..n-1: every one of them is tried. */
int scheduler_choose(int n);

/* Start another fiber. */
void scheduler_start(void *(*body)(void *), void *arg);

/* Others may have a turn here. */
void scheduler_point(void);

/* Wait until is_over(arg). Returns 0, or -1 when the deadline on the clock of the
 * scheduler has come first. */
int scheduler_wait(int (*is_over)(void *), void *arg, int64_t deadline_ns);

/* The same for what may end by itself at any time, but need not. Returns 0 or -1;
 * *forced is whether that was because nothing else could happen any more. */
int scheduler_wait_for_the_late(int (*is_over)(void *), void *arg, int *forced);

/* How often in this run a deadline was the first thing that could happen. */
int scheduler_rests(void);

/* Which fiber this is; the program's first one is 0. */
int scheduler_self(void);

/* Nanoseconds, which go by only when somebody waits for them. */
int64_t scheduler_now_ns(void);

/* Keep a word of what happens in this run, to be printed if it fails. */
void scheduler_note(const char *what, int number);

/* Say what is wrong and how it came to it, and abort. */
void scheduler_fail(const char *what) __attribute__((noreturn));

#endif
