#include "alexctl/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define USAGE 64

static void *
field(const struct args_option *option, void *target)
{
    return (char *)target + option->offset;
}

static int
set_int(const struct args_option *option, const char *text, void *target,
        struct err *err)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < option->min ||
        value > option->max) {
        return err_set(err, ERR_REJECT, USAGE,
                       "--%s takes a whole number from %" PRId64 " to %" PRId64
                       ", not '%.60s'",
                       option->name, option->min, option->max, text);
    }
    *(int64_t *)field(option, target) = value;
    return 0;
}

/* The database takes nothing but UTF-8, and what JSON made of other bytes would
 * be another name. */
static int
check_text(const struct args_option *option, const char *text, struct err *err)
{
    size_t left = strlen(text);
    int64_t count = 0;
    for (size_t size = 0; left > 0; text += size, left -= size) {
        size = utf8_size(text, left);
        if (size == 0) {
            return err_set(err, ERR_REJECT, USAGE, "--%s is not UTF-8",
                           option->name);
        }
        count++;
    }
    if (option->max > 0 && (count < option->min || count > option->max)) {
        return err_set(err, ERR_REJECT, USAGE,
                       "--%s takes %" PRId64 " to %" PRId64
                       " characters, not %" PRId64,
                       option->name, option->min, option->max, count);
    }
    return 0;
}

static int
set_text(const struct args_option *option, const char *text, void *target,
         struct err *err)
{
    if (check_text(option, text, err) < 0) {
        return -1;
    }
    *(const char **)field(option, target) = text;
    return 0;
}

static int
set_list(const struct args_option *option, const char *text, void *target,
         struct err *err)
{
    struct args_list *list = field(option, target);
    if (list->count == ARGS_LIST_MAX) {
        return err_set(err, ERR_REJECT, USAGE, "--%s may be given %d times",
                       option->name, ARGS_LIST_MAX);
    }
    if (check_text(option, text, err) < 0) {
        return -1;
    }
    list->items[list->count++] = text;
    return 0;
}

static int
set_value(const struct args_option *option, const char *text, void *target,
          struct err *err)
{
    switch (option->type) {
    case ARGS_FLAG:
        *(bool *)field(option, target) = true;
        return 0;
    case ARGS_TEXT:
        return set_text(option, text, target, err);
    case ARGS_WORD:
        *(const char **)field(option, target) = text;
        return 0;
    case ARGS_INT:
        return set_int(option, text, target, err);
    case ARGS_LIST:
        return set_list(option, text, target, err);
    }
    abort();
}

static const struct args_option *
find(const struct args_option *options, size_t count, const char *name,
     size_t name_size)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].type != ARGS_WORD &&
            strlen(options[i].name) == name_size &&
            memcmp(options[i].name, name, name_size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* The word that is still missing, in the table's order. */
static const struct args_option *
next_word(const struct args_option *options, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].type == ARGS_WORD &&
            *(const char **)field(&options[i], target) == NULL) {
            return &options[i];
        }
    }
    return NULL;
}

struct words {
    char *const *at;
    size_t left;
};

/* Takes "--name", "--name=value" or "--name value" off 'words'. */
static int
parse_option(const struct args_option *options, size_t count,
             struct words *words, void *target, struct err *err)
{
    const char *name = *words->at + 2;
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct args_option *option = find(options, count, name, size);
    words->at++;
    words->left--;
    if (option == NULL) {
        return err_set(err, ERR_REJECT, USAGE, "unknown option --%.*s",
                       (int)(size < 60 ? size : 60), name);
    }
    if (option->type == ARGS_FLAG) {
        if (equals != NULL) {
            return err_set(err, ERR_REJECT, USAGE, "--%s takes no value",
                           option->name);
        }
        return set_value(option, NULL, target, err);
    }
    if (equals != NULL) {
        return set_value(option, equals + 1, target, err);
    }
    if (words->left == 0) {
        return err_set(err, ERR_REJECT, USAGE, "--%s needs a value: %s",
                       option->name, option->value);
    }
    words->left--;
    return set_value(option, *words->at++, target, err);
}

static int
set_fallbacks(const struct args_option *options, size_t count, void *target,
              struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].fallback != NULL &&
            set_value(&options[i], options[i].fallback, target, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static bool
wants_help(char *const *words, size_t count)
{
    for (size_t i = 0; i < count && strcmp(words[i], "--") != 0; i++) {
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int
parse_words(const struct args_option *options, size_t count, struct words words,
            void *target, struct err *err)
{
    bool only_words = false;
    while (words.left > 0) {
        const char *word = *words.at;
        if (!only_words && strncmp(word, "--", 2) == 0 && word[2] != '\0') {
            if (parse_option(options, count, &words, target, err) < 0) {
                return -1;
            }
            continue;
        }
        words.at++;
        words.left--;
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        const struct args_option *next = next_word(options, count, target);
        if (next == NULL || (!only_words && word[0] == '-' && word[1])) {
            return err_set(err, ERR_REJECT, USAGE, "do not know '%.60s' here",
                           word);
        }
        *(const char **)field(next, target) = word;
    }
    return 0;
}

int
args_parse(const struct args_option *options, size_t option_count,
           char *const *words, size_t word_count, void *target, bool *ret_help,
           struct err *err)
{
    *ret_help = wants_help(words, word_count);
    if (*ret_help) {
        return 0;
    }
    if (set_fallbacks(options, option_count, target, err) < 0) {
        return -1;
    }
    struct words all = {.at = words, .left = word_count};
    if (parse_words(options, option_count, all, target, err) < 0) {
        return -1;
    }
    const struct args_option *missing =
        next_word(options, option_count, target);
    if (missing != NULL) {
        return err_set(err, ERR_REJECT, USAGE, "%s is missing: %s",
                       missing->name, missing->help);
    }
    return 0;
}

void
args_usage(const struct args_option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].type == ARGS_WORD) {
            fprintf(out, " %s", options[i].name);
        }
    }
    fputs(" [OPTION...]", out);
}

void
args_help(const struct args_option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct args_option *option = &options[i];
        char name[64];
        snprintf(name, sizeof(name), "%s%s%s%s",
                 option->type == ARGS_WORD ? "" : "--", option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        fprintf(out, "  %-22s %s", name, option->help);
        if (option->fallback != NULL) {
            fprintf(out, " (default %s)", option->fallback);
        }
        fputc('\n', out);
    }
    fprintf(out, "  %-22s %s\n", "--help", "this text");
}
