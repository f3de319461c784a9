#include "psn_poll.h"

#include "psn_sys.h"

void psn_poll_init(struct psn_poll *poll)
{
    poll->fd = -1;
}

int psn_poll_open(struct psn_poll *poll)
{
    poll->fd = epoll_create1(EPOLL_CLOEXEC);
    return poll->fd < 0 ? -errno : 0;
}

void psn_poll_close(struct psn_poll *poll)
{
    psn_sys_close(&poll->fd);
}

static int control(struct psn_poll *poll, int op, int fd, uint32_t events,
                   uint64_t data)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.u64 = data};

    return epoll_ctl(poll->fd, op, fd, &event) < 0 ? -errno : 0;
}

int psn_poll_add(struct psn_poll *poll, int fd, uint32_t events, uint64_t data)
{
    return control(poll, EPOLL_CTL_ADD, fd, events, data);
}

int psn_poll_change(struct psn_poll *poll, int fd, uint32_t events, uint64_t data)
{
    return control(poll, EPOLL_CTL_MOD, fd, events, data);
}

void psn_poll_remove(struct psn_poll *poll, int fd)
{
    control(poll, EPOLL_CTL_DEL, fd, 0, 0);
}

int psn_poll_take(struct psn_poll *poll, struct epoll_event *events, int n)
{
    int rc;

    do
        rc = epoll_wait(poll->fd, events, n, 0);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}
