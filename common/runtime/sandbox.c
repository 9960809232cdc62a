#include "runtime/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(SANDBOX_ARCH) && !defined(SANDBOX_SANITIZED)

#define OFFSET(field) ((unsigned int)offsetof(struct seccomp_data, field))
/* The low half of argument 'i'; both architectures are little-endian. */
#define OFFSET_ARG(i) (OFFSET(args) + 8U * (i))
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define SKIP_UNLESS(op, value, count)                                          \
    BPF_JUMP(BPF_JMP | (op) | BPF_K, (value), 0, (count))

#define ALLOW(call)                                                            \
    SKIP_UNLESS(BPF_JEQ, __NR_##call, 1), RETURN(SECCOMP_RET_ALLOW)
/* Allowed when no bit of 'mask' is set in argument 'i'. */
#define ALLOW_WITHOUT(call, i, mask)                                           \
    SKIP_UNLESS(BPF_JEQ, __NR_##call, 4), LOAD(OFFSET_ARG(i)),                 \
        SKIP_UNLESS(BPF_JSET, (mask), 1), RETURN(REFUSE),                      \
        RETURN(SECCOMP_RET_ALLOW)
/* Allowed when argument 'i' is 'value'. */
#define ALLOW_WHEN(call, i, value)                                             \
    SKIP_UNLESS(BPF_JEQ, __NR_##call, 4), LOAD(OFFSET_ARG(i)),                 \
        SKIP_UNLESS(BPF_JEQ, (value), 1), RETURN(SECCOMP_RET_ALLOW),           \
        RETURN(REFUSE)

/* The channel; memory that is never executable; what malloc and abort() need;
 * waiting; the CPU timer of the next task.  What is used most comes first. */
static int
filter_load(void)
{
    struct sock_filter filter[] = {
        LOAD(OFFSET(arch)),
        SKIP_UNLESS(BPF_JEQ, SANDBOX_ARCH, 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        /* x32 calls carry bit 30 and match nothing below. */
        LOAD(OFFSET(nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(timer_settime),
        ALLOW(getrusage),
        ALLOW(brk),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(futex),
        ALLOW(ppoll),
        ALLOW(restart_syscall),
        ALLOW(rt_sigprocmask),
        ALLOW(getpid),
        ALLOW(gettid),
        ALLOW(exit),
        ALLOW(exit_group),
        ALLOW_WITHOUT(mmap, 2, PROT_EXEC),
        ALLOW_WITHOUT(mprotect, 2, PROT_EXEC),
        ALLOW_WHEN(tgkill, 0, (unsigned int)getpid()),
        RETURN(REFUSE),
    };
    struct sock_fprog program = {ARRAY_COUNT(filter), filter};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* A kernel without filters is lived with; a filter that fails is a bug. */
static int
filter_enter(const char **ret_lacks, struct err *err)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
        *ret_lacks = "seccomp: this kernel has no system-call filter";
    } else if (filter_load() != 0) {
        return err_errno(err, ERR_FATAL, "cannot load the system-call filter");
    }
    return 0;
}

#else

static int
filter_enter(const char **ret_lacks, struct err *err)
{
    (void)err;
#ifdef SANDBOX_SANITIZED
    *ret_lacks = "seccomp and limits: built with a sanitizer";
#else
    *ret_lacks = "seccomp: no allow-list for this architecture";
#endif
    return 0;
}

#endif

static int
limit(int resource, rlim_t value, struct err *err)
{
    const struct rlimit both = {value, value};

    if (setrlimit((__rlimit_resource_t)resource, &both) != 0) {
        return err_errno(err, ERR_FATAL, "cannot set resource limit %d",
                         resource);
    }
    return 0;
}

#ifndef SANDBOX_SANITIZED
static int
limit_memory(int64_t memory_bytes, struct err *err)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file == NULL) {
        return err_errno(err, ERR_FATAL, "cannot open /proc/self/statm");
    }
    const int fields = fscanf(file, "%lu", &pages);
    fclose(file);
    if (fields != 1) {
        return err_set(err, ERR_FATAL, 0, "cannot read /proc/self/statm");
    }
    const rlim_t now = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
    return limit(RLIMIT_AS, now + (rlim_t)memory_bytes, err);
}

static int
limit_all(int64_t memory_bytes, struct err *err)
{
    /* Descriptors 0 to 3 exist; only 3 is open. */
    return limit_memory(memory_bytes, err) != 0 ||
                   limit(RLIMIT_FSIZE, 0, err) != 0 ||
                   limit(RLIMIT_NOFILE, 4, err) != 0
               ? -1
               : 0;
}
#else
static int
limit_all(int64_t memory_bytes, struct err *err)
{
    (void)memory_bytes;
    (void)err;
    return 0;
}
#endif

/* CPU time of this process.  RLIMIT_CPU would not do: it adds up over all
 * tasks, by ticks, which can be a sixth ahead of what anybody can read. */
static timer_t cpu_timer;
static bool cpu_timer_exists;

static const char *
create_cpu_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGXCPU};

    cpu_timer_exists =
        timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &cpu_timer) == 0;
    return cpu_timer_exists ? "" : "CPU limit: this kernel has no CPU timers";
}

int
sandbox_enter(int64_t memory_bytes, const char **ret_lacks, struct err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return err_errno(err, ERR_FATAL, "cannot give up privileges");
    }
    if (limit(RLIMIT_CORE, 0, err) != 0 || limit_all(memory_bytes, err) != 0) {
        return -1;
    }
    *ret_lacks = create_cpu_timer();
    return filter_enter(ret_lacks, err);
}

int
sandbox_arm_cpu(int64_t limit_ms, struct err *err)
{
    const struct itimerspec span = {
        .it_value = {.tv_sec = limit_ms / 1000,
                     .tv_nsec = limit_ms % 1000 * 1000000}};

    if (cpu_timer_exists && timer_settime(cpu_timer, 0, &span, NULL) != 0) {
        return err_errno(err, ERR_FATAL, "cannot set the CPU limit");
    }
    return 0;
}
