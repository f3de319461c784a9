/* Readiness of many descriptors behind one: an epoll instance that an event loop
 * watches as a single descriptor. */
#ifndef PSN_POLL_H
#define PSN_POLL_H

#include "psn_config.h"

#include <stdint.h>
#include <sys/epoll.h>

enum {
    PSN_POLL_READ = EPOLLIN,
    PSN_POLL_WRITE = EPOLLOUT,
    PSN_POLL_HANGUP = EPOLLHUP | EPOLLERR /* always reported */
};

struct psn_poll {
    int fd; /* owned; -1 while closed */
};

void psn_poll_init(struct psn_poll *poll);

/* Returns 0 or a negative errno. */
int psn_poll_open(struct psn_poll *poll);
void psn_poll_close(struct psn_poll *poll);

/* Report events of fd once each time they come to be (edge-triggered), as data.
 * Returns 0 or a negative errno. */
int psn_poll_add(struct psn_poll *poll, int fd, uint32_t events, uint64_t data);

/* The same for a descriptor that is there already; what is true now is reported. */
int psn_poll_change(struct psn_poll *poll, int fd, uint32_t events, uint64_t data);

/* To be called before fd is closed: a child between clone and exec, or a forked
 * process, may hold a copy, and the events of a closed descriptor cannot be undone. */
void psn_poll_remove(struct psn_poll *poll, int fd);

/* Fetch up to n events without waiting. Returns their count or a negative errno. */
int psn_poll_take(struct psn_poll *poll, struct epoll_event *events, int n);

#endif
