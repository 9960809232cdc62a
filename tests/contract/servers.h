/* Servers of a test's own, which it may restart, wipe and kill: tools/servers
 * in a temporary folder. */
#pragma once

#include "test.h"

struct servers {
    char dir[64];
    char url[256]; /* Of the first server started, as the fleet would use it. */
};

/* Starts "redis" or "postgres".  False, after saying SKIP and why, when it is
 * not installed; anything else that fails ends the test program. */
bool servers_start(struct servers *servers, const char *name);
/* One command of tools/servers: "restart redis --hard". */
void servers_run(const struct servers *servers, const char *command);
void servers_stop(struct servers *servers);
