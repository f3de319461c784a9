/* A program without libc: two system calls and the entry point, so that starting it
 * costs little but the kernel's exec. Define tiny_main and include this file first.
 * On other machines than x86-64 and aarch64 it becomes an ordinary main. */
#ifndef BENCH_TINY_H
#define BENCH_TINY_H

static int tiny_main(void);

#if defined(__x86_64__)

static inline long tiny_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

enum { TINY_READ = 0, TINY_WRITE = 1, TINY_EXIT = 231 };

#elif defined(__aarch64__)

static inline long tiny_call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

enum { TINY_READ = 63, TINY_WRITE = 64, TINY_EXIT = 94 };

#endif

#if defined(__x86_64__) || defined(__aarch64__)

static inline long tiny_write(int fd, const void *data, unsigned long n)
{
    return tiny_call(TINY_WRITE, fd, (long)data, (long)n);
}

static inline long tiny_read(int fd, void *data, unsigned long n)
{
    return tiny_call(TINY_READ, fd, (long)data, (long)n);
}

__attribute__((noreturn)) void _start(void)
{
    for (;;)
        tiny_call(TINY_EXIT, tiny_main(), 0, 0);
}

#else

#include <unistd.h>

static inline long tiny_write(int fd, const void *data, unsigned long n)
{
    return write(fd, data, n);
}

static inline long tiny_read(int fd, void *data, unsigned long n)
{
    return read(fd, data, n);
}

int main(void)
{
    return tiny_main();
}

#endif

#endif
