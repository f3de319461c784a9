/* stamp FILE MICROSECONDS: sleeps, so that the parent is asleep in its wait, stores
 * CLOCK_MONOTONIC in nanoseconds in FILE, and exits at once. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int fd = open(argv[1], O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    struct timespec pause = {.tv_nsec = strtol(argv[2], NULL, 10) * 1000};
    nanosleep(&pause, NULL);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    _exit(pwrite(fd, &ns, sizeof(ns), 0) != sizeof(ns));
}
