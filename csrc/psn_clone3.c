#include "psn_clone3.h"

#include <errno.h>

#if defined(__x86_64__) && !defined(__ILP32__)

/* The part of the flags that is the signal. */
#define SIGNAL 0xffull

/* The kernel's struct clone_args. */
struct args {
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_size;
    uint64_t cgroup;
};

/* As it was in Linux 5.3, which refuses one that is longer; the rest is of 5.5 and 5.7.
 */
#define FIRST_BYTES 64

pid_t psn_clone3(const struct psn_clone3 *call, struct psn_stack *stack)
{
    struct args args = {.flags = call->flags & ~SIGNAL,
                        .pidfd = (uintptr_t)call->parent,
                        .child_tid = (uintptr_t)call->child,
                        .parent_tid = (uintptr_t)call->parent,
                        .exit_signal = call->flags & SIGNAL,
                        .stack = (uintptr_t)stack->base,
                        .stack_size = stack->size,
                        .cgroup = (uint64_t)call->cgroup};
    size_t size = call->flags & PSN_CLONE_INTO_CGROUP ? sizeof args : FIRST_BYTES;
    long rc = SYS_clone3;

    /* The child has these registers and another stack: it must not come back here,
     * where it would find the frame of its parent. The kernel leaves all other
     * registers be. */
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %[arg], %%rdi\n\t"
                     "callq *%[start]\n\t"
                     "movl %%eax, %%edi\n\t"
                     "movl %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "ud2\n"
                     "1:"
                     : "+a"(rc)
                     : "D"(&args), "S"(size), [start] "r"(call->start),
                       [arg] "r"(call->arg), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory", "cc");
    return (pid_t)rc;
}

#else

pid_t psn_clone3(const struct psn_clone3 *call, struct psn_stack *stack)
{
    (void)call, (void)stack;
    return -ENOSYS;
}

#endif
