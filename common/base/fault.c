#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"

#define FAULT_VARIABLE "ALEX_FAULTS"

struct cell {
    _Atomic uint32_t due;
    _Atomic uint32_t taken;
};

static struct cell *cells;
static char variable[512];

/* Before main(), because a handler may open nothing later. */
__attribute__((constructor)) static void
map_cells(void)
{
    const size_t size = FAULT_POINTS * sizeof(*cells);
    const char *path = conf_env(FAULT_VARIABLE);

    if (path == NULL) {
        return;
    }
    snprintf(variable, sizeof(variable), FAULT_VARIABLE "=%s", path);
    _cleanup(cleanup_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || map == MAP_FAILED) {
        perror(variable);
        exit(EXIT_FAILURE);
    }
    cells = map;
}

bool
fault_take(enum fault_point point)
{
    if (cells == NULL) {
        return false;
    }
    uint32_t due = atomic_load(&cells[point].due);
    while (due > 0) {
        if (atomic_compare_exchange_weak(&cells[point].due, &due, due - 1)) {
            atomic_fetch_add(&cells[point].taken, 1);
            return true;
        }
    }
    return false;
}

void
fault_pass(enum fault_point point)
{
    if (fault_take(point)) {
        raise(SIGKILL);
    }
}

void
fault_stop(enum fault_point point)
{
    if (fault_take(point)) {
        raise(SIGSTOP);
    }
}

char *const *
fault_environment(char *const *otherwise)
{
    static char *environment[] = {variable, NULL};

    return cells != NULL ? environment : otherwise;
}
