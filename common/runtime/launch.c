#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "runtime/handlers.h"

/* Descriptors that go to the child start here, so that putting one in its
 * place never overwrites another that still has to move. */
#define LAUNCH_FD_MIN 10

static int
move_up(int fd)
{
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, LAUNCH_FD_MIN);

    close(fd);
    return moved;
}

/* Out of its cleanup's reach. */
static int
take(int *fd)
{
    const int taken = *fd;

    *fd = -1;
    return taken;
}

int
launch_open_self(int *ret, struct err *err)
{
    int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

    if (fd >= 0) {
        fd = move_up(fd);
    }
    if (fd < 0) {
        return err_errno(err, ERR_FATAL, "cannot open /proc/self/exe");
    }
    *ret = fd;
    return 0;
}

/* Handlers get a process group of their own: a Ctrl-C at the terminal is for
 * the supervisor, which then drains them. */
static int
attributes_fill(posix_spawnattr_t *attributes)
{
    sigset_t all;
    sigset_t none;

    sigfillset(&all);
    sigemptyset(&none);
    int failed = posix_spawnattr_setsigdefault(attributes, &all);
    failed |= posix_spawnattr_setsigmask(attributes, &none);
    failed |= posix_spawnattr_setpgroup(attributes, 0);
    failed |= posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETPGROUP);
    return failed;
}

/* The executable travels as descriptor 0 because everything from 4 on is closed
 * before it is executed. */
static int
actions_fill(posix_spawn_file_actions_t *actions, int exe_fd, int channel_fd)
{
    int failed = posix_spawn_file_actions_adddup2(actions, exe_fd, 0);

    failed |= posix_spawn_file_actions_adddup2(actions, channel_fd,
                                               LAUNCH_CHANNEL_FD);
    failed |= posix_spawn_file_actions_addclosefrom_np(actions,
                                                       LAUNCH_CHANNEL_FD + 1);
    return failed;
}

static int
launch_with(int exe_fd, int channel_fd, char *const argv[], pid_t *ret)
{
    static char *const empty[] = {NULL};
    _cleanup(posix_spawnattr_destroy) posix_spawnattr_t attributes;
    _cleanup(posix_spawn_file_actions_destroy)
        posix_spawn_file_actions_t actions;

    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    if (attributes_fill(&attributes) != 0 ||
        actions_fill(&actions, exe_fd, channel_fd) != 0) {
        return ENOMEM;
    }
    return posix_spawn(ret, "/proc/self/fd/0", &actions, &attributes, argv,
                       FAULT_ENVIRONMENT(empty));
}

int
launch_handler(int exe_fd, const char *name, int64_t memory_bytes,
               pid_t *ret_pid, int *ret_fd, struct err *err)
{
    int pair[2];
    char flag[] = HANDLERS_CHILD_FLAG;
    char process[80];
    char parent[24];
    char memory[24];
    char *const argv[] = {process, flag, parent, memory, NULL};
    pid_t pid = -1;

    snprintf(process, sizeof(process), "alex-%s", name);
    snprintf(parent, sizeof(parent), "%d", (int)getpid());
    snprintf(memory, sizeof(memory), "%" PRId64, memory_bytes);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return err_errno(err, ERR_RETRY, "cannot make a channel");
    }
    _cleanup(cleanup_close) int ours = pair[0];
    _cleanup(cleanup_close) int theirs = move_up(pair[1]);
    if (theirs < 0 || fcntl(ours, F_SETFL, O_NONBLOCK) != 0) {
        return err_errno(err, ERR_RETRY, "cannot make a channel");
    }
    errno = launch_with(exe_fd, theirs, argv, &pid);
    if (errno != 0) {
        return err_errno(err, ERR_RETRY, "cannot start a handler");
    }
    *ret_pid = pid;
    *ret_fd = take(&ours);
    return 0;
}
