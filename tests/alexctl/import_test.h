/* What the tests of whole exports share: reading, finding, failing. */
#pragma once

#include "test.h"

#include "alexctl/import.h"
#include "base/buf.h"

static struct arena *mem;

static inline int
set_up(void **state)
{
    (void)state;
    mem = arena_new(1 << 16);
    return 0;
}

static inline int
tear_down(void **state)
{
    (void)state;
    arena_free(&mem);
    return 0;
}

static inline int
parse_as(const char *broker, const char *text, size_t size, struct import *ret,
         struct err *err)
{
    struct import_options options = {.broker = broker, .account = "Imported"};
    return import_parse(text, size, &options, mem, ret, err);
}

static inline struct import
parse(const char *text)
{
    struct import import;
    struct err err = {0};
    if (parse_as("auto", text, strlen(text), &import, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return import;
}

static inline void
assert_rejected(const char *broker, const char *text, const char *why)
{
    struct import import;
    struct err err = {0};
    assert_int_equal(parse_as(broker, text, strlen(text), &import, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' is not in: %s", why, err.text);
    }
}

static inline char *
read_data(const char *name, size_t *ret_size)
{
    _cleanup(cleanup_free) char *path = xasprintf("%s/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    char *bytes = arena_alloc(mem, 1 << 20);
    assert_non_null(file);
    *ret_size = fread(bytes, 1, (1 << 20) - 1, file);
    fclose(file);
    return bytes;
}

static inline struct import
load(const char *name)
{
    size_t size = 0;
    struct import import;
    struct err err = {0};
    char *bytes = read_data(name, &size);
    if (parse_as("auto", bytes, size, &import, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    return import;
}

static inline const struct import_position *
find(const struct import *import, const char *symbol)
{
    for (size_t i = 0; i < import->account_count; i++) {
        for (size_t k = 0; k < import->accounts[i].count; k++) {
            if (!strcmp(import->accounts[i].positions[k].symbol, symbol)) {
                return &import->accounts[i].positions[k];
            }
        }
    }
    return NULL;
}

static inline bool
has_note(const struct import *import, bool skipped, int line, const char *text)
{
    for (size_t i = 0; i < import->note_count; i++) {
        const struct import_note *note = &import->notes[i];
        if (note->skipped == skipped && note->line == line &&
            strstr(note->text, text) != NULL) {
            return true;
        }
    }
    return false;
}

static inline void
assert_broken(const char *name, const char *why)
{
    size_t size = 0;
    struct import import;
    struct err err = {0};
    char *bytes = read_data(name, &size);
    assert_int_equal(parse_as("auto", bytes, size, &import, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s: '%s' is not in: %s", name, why, err.text);
    }
}
