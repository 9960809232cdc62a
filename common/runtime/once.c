#include "runtime/once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "runtime/channel.h"
#include "runtime/task.h"

#define ONCE_READ_BYTES ((size_t)64 * 1024)
#define ONCE_INPUT_MAX_BYTES CHANNEL_FRAME_MAX_BYTES

static int
complain(int code, const struct worker *worker, const char *what,
         const char *why)
{
    fprintf(stderr, "alex-%s: %s: %s\n", worker->name, what, why);
    return code;
}

/* All of 'fd', or false with errno. */
static bool
read_all(int fd, struct buf *out)
{
    ssize_t got = -1;

    if (fd < 0) {
        return false;
    }
    do {
        got = read(fd, buf_reserve(out, ONCE_READ_BYTES), ONCE_READ_BYTES);
        out->size += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && out->size <= ONCE_INPUT_MAX_BYTES) ||
             (got < 0 && errno == EINTR));
    buf_append(out, "", 0);
    errno = got > 0 ? EFBIG : errno;
    return got == 0;
}

static int
make_task(const struct worker *worker, const char *path, struct task **ret)
{
    _cleanup(buf_free) struct buf answers = {0};
    struct err err = {0};

    if (path != NULL) {
        _cleanup(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (!read_all(fd, &answers)) {
            return complain(EX_NOINPUT, worker, path, strerror(errno));
        }
    }
    if (task_offline_new(path != NULL ? answers.data : NULL, answers.size, ret,
                         &err) != 0) {
        return complain(EX_DATAERR, worker, path, err.text);
    }
    task_offline_suspends(*ret);
    return EX_OK;
}

static int
explain(const struct worker *worker, const struct task *task,
        const struct err *err)
{
    _cleanup(buf_free) struct buf missing = {0};

    if (err->kind == ERR_REJECT) {
        return complain(EX_DATAERR, worker, "rejected", err->text);
    }
    complain(EX_TEMPFAIL, worker, err_kind_name(err->kind), err->text);
    if (task_offline_missing(task, &missing)) {
        fprintf(stderr,
                "alex-%s: add this to the array in the file of --answers, "
                "with an answer:\n%s\n",
                worker->name, missing.data);
    }
    return EX_TEMPFAIL;
}

/* What a supervisor would refuse is refused here, too. */
static int
check_result(const struct worker *worker, const struct buf *output)
{
    _cleanup(json_put) struct json_object *schema = NULL;
    _cleanup(json_put) struct json_object *result = NULL;
    struct err err = {0};

    if (json_parse(output->data, output->size, "result", &result, &err) != 0 ||
        json_parse(worker->result_schema, strlen(worker->result_schema),
                   "schema", &schema, &err) != 0 ||
        json_validate(schema, result, &err) != 0) {
        return complain(EX_DATAERR, worker, "bad result", err.text);
    }
    return EX_OK;
}

int
once_main(const struct worker *worker, const char *answers_path)
{
    _cleanup(buf_free) struct buf input = {0};
    _cleanup(buf_free) struct buf output = {0};
    _cleanup(task_offline_free) struct task *task = NULL;
    struct err err = {0};

    int code = make_task(worker, answers_path, &task);
    if (code != EX_OK) {
        return code;
    }
    if (!read_all(STDIN_FILENO, &input)) {
        return complain(EX_NOINPUT, worker, "standard input", strerror(errno));
    }
    if (worker->handle(task, input.data, input.size, &output, &err) != 0) {
        return explain(worker, task, &err);
    }
    code = check_result(worker, &output);
    if (fwrite(output.data, 1, output.size, stdout) != output.size ||
        putchar('\n') == EOF || fflush(stdout) != 0) {
        return complain(EX_IOERR, worker, "standard output", strerror(errno));
    }
    return code;
}
