/* Logging: one line, one write(2), to standard error.
 *
 * JSON lines by default, readable text with ALEX_LOG=text.  The message is a
 * constant (something to count and to alert on); what varies goes into fields:
 *
 *     log_info("task settled", "job=%s took_ms=%" PRId64, job, took_ms);
 *
 * Fields are one printf format of key=value pairs separated by single spaces;
 * only the last value may contain spaces.  A value whose whole format is one
 * numeric conversion is written as a number, any other as text.  Libraries
 * return errors and do not log: runtime/, workers/ and tools/ do. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Reads ALEX_LOG (json | text) and ALEX_LOG_LEVEL (debug | info | warn |
 * error); 'service' goes into every line.  Unknown values mean the default. */
void log_start(const char *service);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *message, const char *fields,
              ...) __attribute__((format(printf, 3, 4)));

#define log_debug(message, ...) log_line(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...) log_line(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...) log_line(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_line(LOG_ERROR, message, __VA_ARGS__)
