/* What the C limits share: starting a child the shortest way the kernel has, and a
 * meter that prints one JSON line. Any failure prints a message and exits with 1. */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LIM_BLOCK = 65536 };
enum { LIM_STDIN = 1, LIM_STDOUT = 2, LIM_STDERR = 4 };

struct lim_child {
    int pidfd;
    int fd[3]; /* our ends of its pipes; -1 where it inherits ours */
};

/* Start argv[0] with a pipe for each LIM_ bit in pipes. All descriptors here are
 * close-on-exec, and our ends are blocking. */
void lim_spawn(struct lim_child *child, char *const argv[], unsigned pipes);

/* Make the three lowest descriptors above standard error a launch pad. Returns the
 * descriptor to pass to lim_spawn_from_pad. Needs close_range of Linux 5.9. */
int lim_open_pad(void);

/* As lim_spawn, at a cost that does not grow with the number of open descriptors: the
 * child shares the table and copies only its lowest part. */
void lim_spawn_from_pad(struct lim_child *child, char *const argv[], unsigned pipes,
                        int pad);

/* Reap a child and close its pidfd. Returns its exit status, or minus the signal. */
int lim_reap(struct lim_child *child);

void lim_kill(const struct lim_child *child);

/* Make a pipe hold 256 KiB, where the system permits: the two sides then run side by
 * side, where with 64 KiB each waits for the other to be woken. */
void lim_grow(int fd);

/* Close *fd and set it to -1; a -1 is left alone. */
void lim_close(int *fd);

/* Add fd to the epoll set, level-triggered and for reading. */
void lim_watch(int epfd, int fd, uint64_t data);

/* Take fd out of the epoll set and close it: a close alone leaves the events alive
 * while any other process still holds a copy of the descriptor. */
void lim_unwatch(int epfd, int *fd);

struct lim_meter {
    int64_t begin_ns;
    int64_t end_ns;
    double cpu_self; /* at init; the printed value is the difference */
    double cpu_children;
};

int64_t lim_now_ns(void);
void lim_meter_init(struct lim_meter *meter);
void lim_meter_begin(struct lim_meter *meter);
void lim_meter_end(struct lim_meter *meter);

/* Print the JSON line. CPU time counts from init to here, so that a child reaped after
 * the timed part is in it. more is "" or further members, each with a leading comma. */
void lim_meter_print(const struct lim_meter *meter, size_t ops, const char *more);

/* Page-aligned memory, zeroed; never freed. */
void *lim_pages(size_t n);

void lim_write(int fd, const char *data, size_t n);

/* argv[i] as a number above zero. */
size_t lim_number(char **argv, int i);

/* Exit with 1 and a message unless ok. */
void lim_expect(int ok, const char *what);

#endif
