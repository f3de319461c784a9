#include "psn_courier.h"

#include "psn_sys.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* One descriptor beside a message, aligned for its header. */
union beside {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

void psn_courier_init(struct psn_courier *courier)
{
    courier->in = courier->out = -1;
    courier->ino = 0;
}

int psn_courier_open(struct psn_courier *courier)
{
    int ends[2];
    struct stat stat;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -errno;
    courier->in = ends[0];
    courier->out = ends[1];
    fstat(courier->out, &stat);
    courier->ino = stat.st_ino;
    return 0;
}

void psn_courier_close(struct psn_courier *courier)
{
    psn_sys_close(&courier->in);
    psn_sys_close(&courier->out);
}

int psn_courier_is_out(const struct psn_courier *courier, int out)
{
    struct stat stat;

    return fstat(out, &stat) == 0 && S_ISSOCK(stat.st_mode) &&
           stat.st_ino == courier->ino;
}

int psn_courier_send(int out, uint64_t owner, int fd)
{
    union beside beside = {.header = {.cmsg_len = CMSG_LEN(sizeof fd),
                                      .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {&owner, sizeof owner};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = beside.bytes,
                             .msg_controllen = sizeof beside.bytes};
    ssize_t rc;

    memcpy(CMSG_DATA(&beside.header), &fd, sizeof fd);
    do
        rc = sendmsg(out, &message, MSG_NOSIGNAL);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

int psn_courier_receive(const struct psn_courier *courier, uint64_t *owner, int *fd)
{
    union beside beside;
    struct iovec iov = {owner, sizeof *owner};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = beside.bytes,
                             .msg_controllen = sizeof beside.bytes};
    ssize_t rc;

    do
        rc = recvmsg(courier->in, &message, MSG_CMSG_CLOEXEC);
    while (rc < 0 && errno == EINTR);
    if (rc != sizeof *owner)
        return 0;
    *fd = -1;
    /* Out of numbers, the kernel drops the descriptor and delivers the rest. */
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return 1;
}
