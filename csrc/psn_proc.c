#include "psn_proc.h"

#include "psn_sys.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* More than any line of /proc/PID/stat, and than all of /proc/PID/limits. */
#define TEXT_BYTES 4096

void psn_proc_pids_free(struct psn_proc_pids *pids)
{
    free(pids->at);
    *pids = (struct psn_proc_pids){0};
}

int psn_proc_pids_push(struct psn_proc_pids *pids, pid_t pid)
{
    if (pids->count == pids->cap) {
        size_t cap = pids->cap ? pids->cap * 2 : 64;
        pid_t *at = reallocarray(pids->at, cap, sizeof *at);
        if (at == NULL)
            return -ENOMEM;
        pids->at = at;
        pids->cap = cap;
    }
    pids->at[pids->count++] = pid;
    return 0;
}

/* A process that ends meanwhile has no file, or one that cannot be read. */
static int as_gone(int rc)
{
    return rc == -ENOENT ? -ESRCH : rc;
}

/* The whole of a small file, as a string. Returns 0 or a negative errno. */
static int read_text(const char *path, char *to, size_t size)
{
    int fd = psn_sys_open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return as_gone(fd);
    ssize_t n = psn_sys_read(fd, to, size - 1);
    psn_sys_close(&fd);
    to[n < 0 ? 0 : n] = '\0';
    return n < 0 ? (int)n : 0;
}

int psn_proc_read(pid_t pid, struct psn_proc *proc)
{
    char path[64], text[TEXT_BYTES], state;
    int parent;
    long threads;
    unsigned long long started;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int rc = read_text(path, text, sizeof text);
    if (rc < 0)
        return rc;
    /* A name may have parentheses and blanks of its own. */
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (name == NULL || end == NULL || end < name)
        return -ESRCH;
    if (sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld"
               " %*d %llu",
               &state, &parent, &threads, &started) != 4)
        return -ESRCH;
    *proc = (struct psn_proc){.pid = pid, .parent = parent, .started = started};
    /* The first thread of a process may have ended before the others. */
    proc->lives = (state != 'Z' && state != 'X') || threads > 1;
    *end = '\0';
    snprintf(proc->name, sizeof proc->name, "%.*s", PSN_PROC_NAME - 1, name + 1);
    return 0;
}

static uint64_t mark_by_text(pid_t pid)
{
    char path[64], text[TEXT_BYTES];
    unsigned long long mark;

    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    if (read_text(path, text, sizeof text) < 0)
        return 0;
    const char *line = strstr(text, "\nMax file locks");
    return line != NULL && sscanf(line, "\nMax file locks %llu", &mark) == 1 ? mark : 0;
}

uint64_t psn_proc_mark(pid_t pid)
{
    struct rlimit64 limit;

    if (prlimit64(pid, RLIMIT_LOCKS, NULL, &limit) == 0)
        return limit.rlim_cur;
    /* Of who runs as somebody else, prlimit() does not tell, though it may well be in
     * our power: we have CAP_KILL, or it runs as a user of its own choice. The file is
     * everybody's, and 20 times dearer. */
    if (errno == ESRCH || kill(pid, 0) < 0)
        return 0;
    return mark_by_text(pid);
}

/* The next entry of a directory that is a number, 0 after the last one. */
static pid_t next_number(DIR *directory)
{
    struct dirent *entry;

    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            return (pid_t)strtol(entry->d_name, NULL, 10);
    return 0;
}

int psn_proc_all(struct psn_proc_pids *to)
{
    DIR *directory = opendir("/proc");
    int rc = 0;

    if (directory == NULL)
        return -errno;
    for (pid_t pid; rc == 0 && (pid = next_number(directory)) != 0;)
        rc = psn_proc_pids_push(to, pid);
    closedir(directory);
    return rc;
}

int psn_proc_lists_children(void)
{
    return access("/proc/thread-self/children", F_OK) == 0;
}

/* "12 345 " */
static int push_numbers(FILE *file, struct psn_proc_pids *to)
{
    int pid, rc = 0;

    while (rc == 0 && fscanf(file, "%d", &pid) == 1)
        rc = psn_proc_pids_push(to, pid);
    return rc;
}

/* Each thread has the children that it has made itself. */
static int children_of(pid_t pid, pid_t thread, struct psn_proc_pids *to)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno;
    int rc = push_numbers(file, to);
    fclose(file);
    return rc;
}

int psn_proc_children(pid_t pid, struct psn_proc_pids *to)
{
    char path[64];
    int rc = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno;
    for (pid_t thread; rc == 0 && (thread = next_number(directory)) != 0;)
        rc = children_of(pid, thread, to);
    closedir(directory);
    return rc;
}
