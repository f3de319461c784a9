# What the extension modules use of the C core. Declarations only.
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.types cimport gid_t, pid_t


cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data


cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len


cdef extern from "<sys/time.h>" nogil:
    struct timeval:
        long tv_sec
        long tv_usec


cdef extern from "<sys/resource.h>" nogil:
    struct rusage:
        timeval ru_utime
        timeval ru_stime
        long ru_maxrss
        long ru_ixrss
        long ru_idrss
        long ru_isrss
        long ru_minflt
        long ru_majflt
        long ru_nswap
        long ru_inblock
        long ru_oublock
        long ru_msgsnd
        long ru_msgrcv
        long ru_nsignals
        long ru_nvcsw
        long ru_nivcsw


cdef extern from "psn_sys.h" nogil:
    void psn_sys_close(int *fd)
    int psn_sys_dup(int fd)
    int psn_sys_open(const char *path, int flags)
    ssize_t psn_sys_read(int fd, void *to, size_t n)
    ssize_t psn_sys_write(int fd, const void *data, size_t n)
    int64_t psn_sys_now_ns()


cdef extern from "psn_timer.h" nogil:
    struct psn_timer:
        int64_t at_ns
        size_t place
        void *owner
    struct psn_timers:
        size_t count
    void psn_timers_init(psn_timers *timers)
    void psn_timers_free(psn_timers *timers)
    int psn_timers_set(psn_timers *timers, psn_timer *timer, int64_t at_ns)
    void psn_timers_unset(psn_timers *timers, psn_timer *timer)
    psn_timer *psn_timers_first(const psn_timers *timers)


cdef extern from "psn_argv.h" nogil:
    struct psn_argv:
        size_t count
    int psn_argv_push(psn_argv *argv, const char *s, size_t n)
    int psn_argv_push_all(psn_argv *argv, char **strings)
    int psn_argv_extend(psn_argv *argv, char sep, const char *s, size_t n)


cdef extern from "psn_stdio.h" nogil:
    struct psn_stdio:
        size_t count
    int psn_stdio_plan(psn_stdio *stdio, const int *source, const int *keep,
                       size_t n, int close_fds)


cdef extern from "psn_limits.h" nogil:
    enum psn_limit:
        PSN_LIMIT_NONE
        PSN_LIMIT_CGROUP
        PSN_LIMIT_OOM_SCORE_ADJ
        PSN_LIMIT_NICE
        PSN_LIMIT_IO_PRIORITY
        PSN_LIMIT_CPUS
        PSN_LIMIT_NO_NEW_PRIVILEGES
        PSN_LIMIT_DIE_WITH_PARENT
        PSN_LIMIT_CPU_SECONDS
        PSN_LIMIT_MEMORY
        PSN_LIMIT_OPEN_FILES
        PSN_LIMIT_PROCESSES
        PSN_LIMIT_FILE_SIZE
        PSN_LIMIT_CORE
        PSN_LIMIT_STACK
    struct psn_rlimit:
        uint64_t soft
        uint64_t hard
    struct psn_rlimit_of:
        psn_limit limit
        int resource
        psn_rlimit value
    struct psn_limits:
        psn_rlimit_of rlimits[7]
        size_t n_rlimits
        int cgroup
        char oom_score_adj[8]
        size_t n_oom_score_adj
        int set_nice
        int nice
        int io_priority
        unsigned char cpus[1024]
        size_t n_cpus
        int no_new_privileges
        pid_t parent


cdef extern from "psn_child.h" nogil:
    enum psn_step:
        PSN_STEP_NONE
        PSN_STEP_PIPE
        PSN_STEP_MEMORY
        PSN_STEP_CLONE
        PSN_STEP_STDIO
        PSN_STEP_CHDIR
        PSN_STEP_SESSION
        PSN_STEP_CREDENTIALS
        PSN_STEP_LIMIT
        PSN_STEP_PREEXEC
        PSN_STEP_EXEC
        PSN_STEP_ABANDONED
    struct psn_plan:
        psn_stdio stdio
        int umask
        int restore_signals
        int new_session
        int64_t process_group
        int set_groups
        size_t n_groups
        int64_t gid
        int64_t uid
        const uint64_t *signal_mask
        char **envp
        uint64_t mark
    struct psn_report:
        psn_step step
        int err
        psn_limit limit
    int psn_child_prepare(const psn_plan *plan, psn_report *report)
    void psn_child_exec(const psn_plan *plan, psn_report *report)
    void psn_child_exit(int status)


cdef extern from "psn_spawn.h" nogil:
    enum psn_road:
        PSN_ROAD_SHARED
        PSN_ROAD_COPIED
    struct psn_abilities:
        psn_road road
        int has_pidfd
        int own_table_from
    struct psn_stack:
        pass
    struct psn_born:
        int pid
        int pidfd
        psn_report report
    int psn_stack_init(psn_stack *stack)
    void psn_stack_free(psn_stack *stack)
    int psn_spawn_probe(psn_stack *stack, psn_abilities *can)


cdef extern from "psn_ref.h" nogil:
    struct psn_ref:
        pid_t pid
        int pidfd
    int psn_ref_is_there(psn_ref ref)
    int psn_ref_signal(psn_ref ref, int sig)
    void psn_ref_bury(psn_ref ref)


cdef extern from "psn_proc.h" nogil:
    struct psn_proc:
        pid_t pid
        int lives
        char name[16]
    int psn_proc_read(pid_t pid, psn_proc *proc)


cdef extern from "psn_tree.h" nogil:
    struct psn_member:
        psn_proc proc
        int refused
    struct psn_tree:
        psn_member *members
        size_t count
    void psn_tree_init(psn_tree *tree, psn_ref root, uint64_t mark)
    void psn_tree_free(psn_tree *tree)
    ssize_t psn_tree_walk(psn_tree *tree, int sig)
    int psn_tree_signal(psn_tree *tree, int sig)


cdef extern from "psn_reap.h" nogil:
    enum psn_exit_source:
        PSN_EXIT_WAITID
        PSN_EXIT_INFO
        PSN_EXIT_UNKNOWN
    struct psn_exit:
        psn_exit_source source
        int status
        rusage usage
    int psn_reap_take(psn_ref ref, psn_exit *exit)
    int psn_reap_wait(psn_ref ref, int timeout_ms)


cdef extern from "psn_waiter.h" nogil:
    struct psn_waiter:
        int bell
    int psn_waiter_open(psn_waiter *waiter)
    void psn_waiter_poke(psn_waiter *waiter)
    void psn_waiter_close(psn_waiter *waiter)


cdef extern from "psn_sigchld.h" nogil:
    int psn_sigchld_open()
    void psn_sigchld_close(int *bell)


cdef extern from "psn_lock.h" nogil:
    int psn_lock_is_held(int fd)


cdef extern from "psn_job.h" nogil:
    struct psn_job:
        psn_job *next
        void *owner
        psn_argv argv
        psn_argv env
        psn_argv paths
        char *cwd
        gid_t *groups
        psn_limits *limits
        int ends[3]
        psn_plan plan
        psn_born born
    psn_job *psn_job_new()
    void psn_job_free(psn_job *job)
    void psn_job_note_caller(psn_job *job)
    int psn_job_limit(psn_job *job)
    void psn_job_close_ends(psn_job *job)
    int psn_job_seal(psn_job *job)


cdef extern from "psn_spawner.h" nogil:
    struct psn_spawner:
        pass
    int psn_spawner_open(psn_spawner **spawner, int workers, const psn_abilities *can)
    int psn_spawner_event_fd(const psn_spawner *spawner)
    int psn_spawner_submit(psn_spawner *spawner, psn_job *job)
    psn_job *psn_spawner_take(psn_spawner *spawner)
    void psn_spawner_abandon(psn_spawner *spawner, psn_job *job)
    void psn_spawner_bury(psn_spawner *spawner, psn_ref ref)
    void psn_spawner_close(psn_spawner *spawner)
    void psn_spawner_forget(psn_spawner *spawner)


cdef extern from "psn_poll.h" nogil:
    enum:
        PSN_POLL_READ
        PSN_POLL_WRITE
        PSN_POLL_HANGUP
    struct psn_poll:
        int fd
    void psn_poll_init(psn_poll *poll)
    int psn_poll_open(psn_poll *poll)
    void psn_poll_close(psn_poll *poll)
    int psn_poll_add(psn_poll *poll, int fd, uint32_t events, uint64_t data)
    int psn_poll_change(psn_poll *poll, int fd, uint32_t events, uint64_t data)
    void psn_poll_remove(psn_poll *poll, int fd)
    int psn_poll_take(psn_poll *poll, epoll_event *events, int n)


cdef extern from "psn_buf.h" nogil:
    struct psn_buf:
        pass
    void psn_buf_init(psn_buf *buf)
    void psn_buf_free(psn_buf *buf)
    size_t psn_buf_len(const psn_buf *buf)
    const char *psn_buf_peek(const psn_buf *buf)
    int psn_buf_append(psn_buf *buf, const char *data, size_t n)
    ssize_t psn_buf_fill(psn_buf *buf, int fd, size_t max)
    void psn_buf_drop(psn_buf *buf, size_t n)
    ssize_t psn_buf_find(const psn_buf *buf, size_t start, const char *what, size_t n)


cdef extern from "psn_outq.h" nogil:
    struct psn_outq:
        size_t bytes
    void psn_outq_init(psn_outq *outq)
    void psn_outq_free(psn_outq *outq)
    int psn_outq_push(psn_outq *outq, const char *data, size_t n)
    int psn_outq_flush(psn_outq *outq, int fd, size_t *released)
