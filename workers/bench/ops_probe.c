#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/ops.h"

/* Each tries one thing that a handler must not be able to do, harmlessly where
 * it can.  Refused means EPERM or EACCES; anything else got past the door. */

static long
try_open_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long
try_list_descriptors(void)
{
    return open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static long
try_create_file(void)
{
    return open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

static long
try_parent_environment(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)syscall(SYS_getppid));
    return open(path, O_RDONLY | O_CLOEXEC);
}

static long
try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long
try_connect(void)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(9),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return connect(3, (const struct sockaddr *)&to, sizeof(to));
}

static long
try_fork(void)
{
    const pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static long
try_execute(void)
{
    char *const none[] = {NULL};

    return execve("/nonexistent", none, none);
}

static long
try_signal_parent(void)
{
    return kill((pid_t)syscall(SYS_getppid), 0);
}

static long
try_trace(void)
{
    return ptrace(PTRACE_PEEKUSER, 1, NULL, NULL);
}

static long
try_read_parent_memory(void)
{
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void *)&environ, 1};

    return process_vm_readv((pid_t)syscall(SYS_getppid), &local, 1, &remote, 1,
                            0);
}

static long
try_executable_memory(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? -1 : 0;
}

static long
try_io_uring(void)
{
    struct io_uring_params params = {0};

    return syscall(SYS_io_uring_setup, 1, &params);
}

static long
try_bpf(void)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    return syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &attributes,
                   sizeof(attributes));
}

static long
try_raise_limit(void)
{
    const struct rlimit more = {64, 64};

    return setrlimit(RLIMIT_NOFILE, &more);
}

static long
try_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long
try_random(void)
{
    char byte;

    return syscall(SYS_getrandom, &byte, sizeof(byte), 0);
}

static const struct probe {
    const char *name;
    long (*try)(void);
} probes[] = {
    {"open_file", try_open_file},
    {"list_descriptors", try_list_descriptors},
    {"create_file", try_create_file},
    {"parent_environment", try_parent_environment},
    {"socket", try_socket},
    {"connect", try_connect},
    {"fork", try_fork},
    {"execute", try_execute},
    {"signal_parent", try_signal_parent},
    {"trace", try_trace},
    {"read_parent_memory", try_read_parent_memory},
    {"executable_memory", try_executable_memory},
    {"io_uring", try_io_uring},
    {"bpf", try_bpf},
    {"raise_limit", try_raise_limit},
    {"dumpable", try_dumpable},
    {"random", try_random},
};

static const char *
outcome_of(const struct probe *probe)
{
    errno = 0;
    if (probe->try() >= 0) {
        return "allowed";
    }
    return errno == EPERM || errno == EACCES ? "refused"
                                             : strerrorname_np(errno);
}

int
ops_probe(const struct ops_call *call, struct buf *output, struct err *err)
{
    (void)call;
    (void)err;
    buf_json_key(output, "environment");
    buf_json_string(output, environ[0] == NULL ? "empty" : environ[0]);
    buf_json_key(output, "descriptors");
    buf_json_array(output);
    for (int fd = 0; fd < 64; fd++) {
        if (read(fd, NULL, 0) == 0) {
            buf_json_int(output, fd);
        }
    }
    buf_json_end(output);
    for (size_t i = 0; i < ARRAY_COUNT(probes); i++) {
        buf_json_key(output, probes[i].name);
        buf_json_string(output, outcome_of(&probes[i]));
    }
    return 0;
}
