/* What a handler gives up before it sees its first byte of input.
 *
 * Afterwards it can compute, allocate up to a limit, and read and write the
 * descriptors it has (one socket).  It cannot open a file, make a socket or a
 * process, signal another, execute anything, or be read or dumped. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* Sanitizers reserve terabytes of address space, and open files and write to
 * standard error when they report: a build with one keeps standard error and
 * goes without seccomp and the limits that are in the way. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif

/* Enters the sandbox, for good.  'memory_bytes' is how far the address space
 * may still grow.  '*ret_lacks' says in words what this machine or build cannot
 * do ("" when all is in force): the handler then runs without it.
 * Errors: ERR_FATAL. */
int sandbox_enter(int64_t memory_bytes, const char **ret_lacks,
                  struct err *err);

/* Gives the process 'limit_ms' of CPU time from now; beyond it dies by SIGXCPU.
 * To be armed anew for each task.
 * Errors: ERR_FATAL. */
int sandbox_arm_cpu(int64_t limit_ms, struct err *err);
