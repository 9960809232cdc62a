/* Every schema holds for its own examples, and refuses what none of them has.
 * Arguments: the schema files. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

static int
read_file(const char *path, struct buf *text)
{
    char chunk[4096];
    size_t size = 0;
    FILE *file = fopen(path, "r");

    if (!file) {
        return -1;
    }
    while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_append(text, chunk, size);
    }
    fclose(file);
    return 0;
}

static int
check_examples(struct json_object *schema, struct err *err)
{
    struct json_object *examples = json_object_object_get(schema, "examples");
    size_t count = examples ? json_object_array_length(examples) : 0;
    _cleanup(json_put) struct json_object *foreign =
        json_object_new_int(20261123);

    if (count == 0) {
        return err_set(err, ERR_REJECT, 0, "no examples");
    }
    for (size_t i = 0; i < count; i++) {
        if (json_validate(schema, json_object_array_get_idx(examples, i),
                          err)) {
            return err_wrap(err, "example %zu", i);
        }
    }
    return json_validate(schema, foreign, err)
               ? 0
               : err_set(err, ERR_REJECT, 0, "takes a number");
}

static int
check_file(const char *path, struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(json_put) struct json_object *schema = NULL;

    if (read_file(path, &text)) {
        return err_set(err, ERR_REJECT, 0, "can't be read");
    }
    return json_parse(text.data, text.size, "schema", &schema, err) ||
                   check_examples(schema, err)
               ? -1
               : 0;
}

int
main(int argc, char **argv)
{
    int failures = argc < 2;

    for (int i = 1; i < argc; i++) {
        struct err err = {0};

        if (check_file(argv[i], &err)) {
            printf("FAIL %s: %s\n", argv[i], err.text);
            failures++;
        } else {
            printf("ok %s\n", argv[i]);
        }
    }
    return failures > 0;
}
