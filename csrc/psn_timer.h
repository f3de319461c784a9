/* Deadlines in one heap: whoever has one embeds a timer, and the earliest is at hand.
 */
#ifndef PSN_TIMER_H
#define PSN_TIMER_H

#include "psn_config.h"

#include <stddef.h>
#include <stdint.h>

struct psn_timer {
    int64_t at_ns; /* on the monotonic clock, while it is set */
    size_t place;  /* in the heap, from 1; 0: not set */
    void *owner;   /* the submitter's, not looked at here */
};

struct psn_timers {
    struct psn_timer **heap; /* owned array of borrowed timers */
    size_t count;
    size_t cap;
};

void psn_timers_init(struct psn_timers *timers);
void psn_timers_free(struct psn_timers *timers);

/* Set a timer, or move one that is set. It must stay where it is until it is unset.
 * Returns 0 or -ENOMEM with nothing changed. */
int psn_timers_set(struct psn_timers *timers, struct psn_timer *timer, int64_t at_ns);

/* Twice is fine. */
void psn_timers_unset(struct psn_timers *timers, struct psn_timer *timer);

/* The earliest, or NULL. */
struct psn_timer *psn_timers_first(const struct psn_timers *timers);

#endif
