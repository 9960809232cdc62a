/* The heartbeat thread: keeps what we hold.
 *
 * Every third of the lease (+-10 %) it extends all messages and beats all
 * leases, however slow store or queue are for the other threads; progress rides
 * along.  It reaps at start and when a reply's 'wake_ms' has passed. */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct heartbeat;
struct supervisor;

/* Sets 'sup->heartbeat' before the thread begins. */
int heartbeat_start(struct supervisor *sup, struct err *err);
/* Some watched run has progress to tell: beat soon, at most once a second. */
void heartbeat_beat_soon(struct heartbeat *heartbeat);
/* The engine may have something to reap at 'at_ms' (CLOCK_BOOTTIME), or
 * earlier if that was said before. */
void heartbeat_reap_by(struct heartbeat *heartbeat, int64_t at_ms);
/* Makes it end: after a last beat if leases may be left that nobody knows of.
 */
void heartbeat_stop(struct heartbeat *heartbeat);
/* Waits for the end. */
void heartbeat_free(struct heartbeat **heartbeat);
