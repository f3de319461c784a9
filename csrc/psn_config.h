/* Which kernel features the core knows how to ask for. The only place with
 * feature tests; whether the running kernel has them is found out at run time. */
#ifndef PSN_CONFIG_H
#define PSN_CONFIG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#ifndef __linux__
#error "The core of procession needs Linux 5.4 or newer."
#endif

#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* Numbers that older headers lack. They are the same on every architecture. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define PSN_CLONE_PIDFD 0x00001000
#define PSN_CLONE_CLEAR_SIGHAND 0x100000000ull
#define PSN_CLONE_INTO_CGROUP 0x200000000ull
#define PSN_P_PIDFD 3
#define PSN_CLOSE_RANGE_UNSHARE 2u
#define PSN_CLOSE_RANGE_CLOEXEC 4u

/* ioctl_pidfd(2), Linux 6.15: the wait status after somebody else has reaped. */
struct psn_pidfd_info {
    __u64 mask;
    __u64 cgroupid;
    __u32 pid, tgid, ppid;
    __u32 ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    __s32 exit_code;
};
#define PSN_PIDFD_INFO_EXIT 8u
#define PSN_PIDFD_GET_INFO _IOWR(0xFF, 11, struct psn_pidfd_info)

/* Larger than any signal number; the kernel's own mask is 64 bits wide. */
#define PSN_NSIG 65
#define PSN_SIGMASK_BYTES 8

#endif
