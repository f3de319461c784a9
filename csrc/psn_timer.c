#include "psn_timer.h"

#include <errno.h>
#include <stdlib.h>

void psn_timers_init(struct psn_timers *timers)
{
    *timers = (struct psn_timers){NULL, 0, 0};
}

void psn_timers_free(struct psn_timers *timers)
{
    free(timers->heap);
    psn_timers_init(timers);
}

static void put(struct psn_timers *timers, size_t place, struct psn_timer *timer)
{
    timers->heap[place - 1] = timer;
    timer->place = place;
}

static struct psn_timer *at(const struct psn_timers *timers, size_t place)
{
    return timers->heap[place - 1];
}

/* Find the place of a timer, from a free one on: upwards while the one above is later,
 * else downwards while one below is earlier. */
static void settle(struct psn_timers *timers, size_t place, struct psn_timer *timer)
{
    while (place > 1 && at(timers, place / 2)->at_ns > timer->at_ns) {
        put(timers, place, at(timers, place / 2));
        place /= 2;
    }
    for (;;) {
        size_t below = 2 * place;
        if (below < timers->count &&
            at(timers, below + 1)->at_ns < at(timers, below)->at_ns)
            below++;
        if (below > timers->count || at(timers, below)->at_ns >= timer->at_ns)
            break;
        put(timers, place, at(timers, below));
        place = below;
    }
    put(timers, place, timer);
}

static int make_room(struct psn_timers *timers)
{
    if (timers->count < timers->cap)
        return 0;
    size_t cap = timers->cap ? 2 * timers->cap : 16;
    struct psn_timer **heap = realloc(timers->heap, cap * sizeof(struct psn_timer *));
    if (heap == NULL)
        return -ENOMEM;
    timers->heap = heap;
    timers->cap = cap;
    return 0;
}

int psn_timers_set(struct psn_timers *timers, struct psn_timer *timer, int64_t at_ns)
{
    if (timer->place == 0) {
        if (make_room(timers) < 0)
            return -ENOMEM;
        put(timers, ++timers->count, timer);
    }
    timer->at_ns = at_ns;
    settle(timers, timer->place, timer);
    return 0;
}

void psn_timers_unset(struct psn_timers *timers, struct psn_timer *timer)
{
    size_t place = timer->place;

    if (place == 0)
        return;
    struct psn_timer *last = at(timers, timers->count--);
    timer->place = 0;
    if (last != timer)
        settle(timers, place, last);
}

struct psn_timer *psn_timers_first(const struct psn_timers *timers)
{
    return timers->count ? timers->heap[0] : NULL;
}
