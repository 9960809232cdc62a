/* --once: one task by hand, in this process, without fleet, sandbox or clock.
 * The same input and answers give the same bytes. */
#pragma once

#include "runtime/worker.h"

/* Reads the input from standard input and writes the output and a newline to
 * standard output; everything else goes to standard error.
 *
 * 'answers_path' names a JSON file [{"kind","request"|absent,"answer"}] with
 * what the agent's asks are answered; NULL: nothing.
 *
 * Returns the exit code: 0 done; 65 the input, the answers or the result is not
 * what it must be; 66 a file cannot be read; 74 the output cannot be written;
 * 75 an answer is missing (it is printed as an entry to add to the file), or
 * the agent says to try later. */
int once_main(const struct worker *worker, const char *answers_path);
