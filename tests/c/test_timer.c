#include "check.h"

#include "psn_timer.h"

#define N 200

static void nothing_is_first_of_nothing(void)
{
    struct psn_timers timers;
    psn_timers_init(&timers);

    assert(psn_timers_first(&timers) == NULL);

    psn_timers_free(&timers);
    psn_timers_free(&timers);
}

static void timers_come_in_the_order_of_their_times(void)
{
    struct psn_timers timers;
    struct psn_timer all[N] = {0};
    psn_timers_init(&timers);
    for (int i = 0; i < N; i++)
        assert(psn_timers_set(&timers, &all[i], (i * 7919) % 1009) == 0);

    int64_t last = -1;
    for (int i = 0; i < N; i++) {
        struct psn_timer *first = psn_timers_first(&timers);
        assert(first->at_ns >= last);
        last = first->at_ns;
        psn_timers_unset(&timers, first);
        assert(first->place == 0);
    }

    assert(psn_timers_first(&timers) == NULL);
    psn_timers_free(&timers);
}

/* Compares with a plain search, over moves and removals at random. */
static void a_timer_can_be_moved_and_taken_out_anywhere(void)
{
    struct psn_timers timers;
    struct psn_timer all[N] = {0};
    unsigned seed = 1;
    psn_timers_init(&timers);

    for (int turn = 0; turn < 20000; turn++) {
        struct psn_timer *timer = &all[rand_r(&seed) % N];
        if (rand_r(&seed) % 3)
            assert(psn_timers_set(&timers, timer, rand_r(&seed) % 1000) == 0);
        else
            psn_timers_unset(&timers, timer);
        int64_t earliest = INT64_MAX;
        size_t count = 0;
        for (int i = 0; i < N; i++) {
            if (all[i].place == 0)
                continue;
            assert(timers.heap[all[i].place - 1] == &all[i]);
            count++;
            if (all[i].at_ns < earliest)
                earliest = all[i].at_ns;
        }
        assert(count == timers.count);
        struct psn_timer *first = psn_timers_first(&timers);
        assert(first == NULL ? count == 0 : first->at_ns == earliest);
    }

    psn_timers_free(&timers);
}

int main(void)
{
    CHECK(nothing_is_first_of_nothing);
    CHECK(timers_come_in_the_order_of_their_times);
    CHECK(a_timer_can_be_moved_and_taken_out_anywhere);
    return 0;
}
