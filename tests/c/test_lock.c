#include "check.h"

#include "psn_lock.h"

#include <sys/file.h>

static int open_file(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert(fd >= 0);
    return fd;
}

static void lock_bytes(int fd, int command, int kind, off_t start)
{
    struct flock lock = {
        .l_type = (short)kind, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};

    assert(fcntl(fd, command, &lock) == 0);
}

static void a_record_lock_is_seen_while_it_is_held(void)
{
    int fd = open_file("locked");
    assert(!psn_lock_is_held(fd));

    lock_bytes(fd, F_SETLK, F_WRLCK, 0);
    assert(psn_lock_is_held(fd));
    lock_bytes(fd, F_SETLK, F_UNLCK, 0);
    assert(!psn_lock_is_held(fd));

    lock_bytes(fd, F_SETLK, F_RDLCK, 5);
    assert(psn_lock_is_held(fd));
    close(fd);
}

static void every_descriptor_of_an_open_file_tells_of_its_lock(void)
{
    int fd = open_file("locked"), copy = dup(fd), other = open_file("locked");

    lock_bytes(copy, F_SETLK, F_WRLCK, 0);

    assert(psn_lock_is_held(fd) && psn_lock_is_held(copy));
    assert(!psn_lock_is_held(other));
    close(other);
    assert(!psn_lock_is_held(fd) && !psn_lock_is_held(copy));
    close(copy);
    close(fd);
}

static void a_lock_of_another_process_is_not_ours(void)
{
    int ends[2], back[2], fd = open_file("locked");
    char byte;
    assert(pipe(ends) == 0 && pipe(back) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(back[1]);
        lock_bytes(fd, F_SETLK, F_WRLCK, 0);
        (void)!write(ends[1], "", 1);
        (void)!read(back[0], &byte, 1);
        _exit(0);
    }
    assert(read(ends[0], &byte, 1) == 1);

    assert(!psn_lock_is_held(fd));

    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(back[i]);
    }
    assert(waitpid(pid, NULL, 0) == pid);
    close(fd);
}

static void the_look_itself_costs_no_lock(void)
{
    int fd = open_file("locked");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    lock_bytes(fd, F_SETLK, F_WRLCK, 0);

    assert(psn_lock_is_held(fd));

    pid_t pid = fork();
    if (pid == 0)
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
    int status;
    assert(waitpid(pid, &status, 0) == pid && status == 0);
    close(fd);
}

static void locks_of_the_open_file_are_no_record_locks(void)
{
    int fd = open_file("locked");

    assert(flock(fd, LOCK_EX) == 0);
    lock_bytes(fd, F_OFD_SETLK, F_WRLCK, 0);

    assert(!psn_lock_is_held(fd));
    close(fd);
}

static void a_record_lock_is_found_behind_hundreds_of_others(void)
{
    int fd = open_file("locked");

    /* Of several lengths, so that the word lies across the end of some read. */
    for (off_t at = 0; at < 400; at++)
        lock_bytes(fd, F_OFD_SETLK, F_RDLCK, at * (at % 7 + 2));
    assert(!psn_lock_is_held(fd));
    lock_bytes(fd, F_SETLK, F_RDLCK, 1000000);

    assert(psn_lock_is_held(fd));
    close(fd);
}

static void what_is_no_file_has_no_lock(void)
{
    int ends[2];
    assert(pipe(ends) == 0);

    assert(!psn_lock_is_held(ends[0]));
    assert(!psn_lock_is_held(-1));
    close(ends[0]);
    assert(!psn_lock_is_held(ends[0]));
    close(ends[1]);
}

int main(void)
{
    CHECK(a_record_lock_is_seen_while_it_is_held);
    CHECK(every_descriptor_of_an_open_file_tells_of_its_lock);
    CHECK(a_lock_of_another_process_is_not_ours);
    CHECK(the_look_itself_costs_no_lock);
    CHECK(locks_of_the_open_file_are_no_record_locks);
    CHECK(a_record_lock_is_found_behind_hundreds_of_others);
    CHECK(what_is_no_file_has_no_lock);
    return 0;
}
