/* ~/.aws/credentials, then ~/.aws/config: the keys of one profile. */
#include <stdlib.h>
#include <string.h>

#include "aws/ini.h"
#include "aws/source.h"
#include "base/arena.h"
#include "base/cleanup.h"

#define CONFIG_ERROR 78
#define FILE_MAX_BYTES ((size_t)1 << 20)

struct profile_file {
    char *path;
    char *section;
    struct buf text;
    bool there;
};

static void
profile_file_free(struct profile_file *file)
{
    if (file->text.data) {
        explicit_bzero(file->text.data, file->text.room);
    }
    free(file->path);
    free(file->section);
    buf_free(&file->text);
}

static const char *
profile(void)
{
    const char *name = source_env("AWS_PROFILE");
    return name ? name : "default";
}

/* 'variable' or NAME in ~/.aws; a leading ~/ is the home folder. */
static char *
path_of(const char *variable, const char *name)
{
    const char *given = source_env(variable);
    const char *home = source_env("HOME");
    if (given && strncmp(given, "~/", 2) != 0) {
        return xstrdup(given);
    }
    return given ? xasprintf("%s/%s", home ? home : "", given + 2)
                 : xasprintf("%s/.aws/%s", home ? home : "", name);
}

static int
load(struct profile_file *file, struct err *err)
{
    enum source_result result =
        source_read_file(file->path, FILE_MAX_BYTES, &file->text, err);
    file->there = result == SOURCE_FOUND;
    return result == SOURCE_FAILED ||
                   (file->there && ini_check(file->text.data, file->path, err))
               ? -1
               : 0;
}

static int
load_credentials(struct profile_file *file, struct err *err)
{
    file->path = path_of("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    file->section = xstrdup(profile());
    return load(file, err);
}

static int
load_config(struct profile_file *file, struct err *err)
{
    bool usual = strcmp(profile(), "default") == 0;
    file->path = path_of("AWS_CONFIG_FILE", "config");
    file->section = xasprintf("%s%s", usual ? "" : "profile ", profile());
    return load(file, err);
}

static char *
value(const struct profile_file *file, const char *key)
{
    return file->there ? ini_value(file->text.data, file->section, key) : NULL;
}

static void
wipe(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
    }
    free(*text);
}

static enum source_result
take(const struct profile_file *file, struct credentials *ret, struct err *err)
{
    _cleanup(wipe) char *access = value(file, "aws_access_key_id");
    _cleanup(wipe) char *secret = value(file, "aws_secret_access_key");
    _cleanup(wipe) char *token = value(file, "aws_session_token");
    _cleanup(cleanup_free) char *where =
        xasprintf("%s [%s]", file->path, file->section);
    if (!access && !secret) {
        return SOURCE_ABSENT;
    }
    if (!access || !secret) {
        err_set(err, ERR_FATAL, CONFIG_ERROR, "%s: there is no %s", where,
                access ? "aws_secret_access_key" : "aws_access_key_id");
        return SOURCE_FAILED;
    }
    return source_make(access, secret, token, where, ret, err) ? SOURCE_FAILED
                                                               : SOURCE_FOUND;
}

/* How the profile gets its keys, if in one of the ways of the command line. */
static const char *
other_way(const struct profile_file *config)
{
    static const char *const ways[] = {"role_arn", "sso_session",
                                       "sso_start_url", "credential_process",
                                       "login_session"};
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        _cleanup(cleanup_free) char *found = value(config, ways[i]);
        if (found) {
            return ways[i];
        }
    }
    return NULL;
}

/* A profile that somebody names is expected to do. */
static enum source_result
without_keys(const struct profile_file *credentials,
             const struct profile_file *config, struct err *err)
{
    const char *way = other_way(config);
    bool known = (credentials->there &&
                  ini_has(credentials->text.data, credentials->section)) ||
                 (config->there && ini_has(config->text.data, config->section));
    if (way) {
        source_absent(err,
                      "profile %s has %s, for which there are no keys here "
                      "(get some: aws configure export-credentials)",
                      profile(), way);
    } else if (known || credentials->there || config->there) {
        source_absent(err, "no %s profile %s in %s and %s",
                      known ? "keys of" : "such", profile(), credentials->path,
                      config->path);
    } else {
        source_absent(err, "no file %s", credentials->path);
    }
    return source_env("AWS_PROFILE") ? SOURCE_FAILED : SOURCE_ABSENT;
}

int
source_files(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    _cleanup(profile_file_free) struct profile_file credentials = {0};
    _cleanup(profile_file_free) struct profile_file config = {0};
    (void)deadline_ms;
    if (load_credentials(&credentials, err)) {
        return SOURCE_FAILED;
    }
    enum source_result result = take(&credentials, ret, err);
    if (result != SOURCE_ABSENT) {
        return result;
    }
    if (load_config(&config, err)) {
        return SOURCE_FAILED;
    }
    result = take(&config, ret, err);
    return result == SOURCE_ABSENT ? without_keys(&credentials, &config, err)
                                   : result;
}

char *
source_region(void)
{
    _cleanup(profile_file_free) struct profile_file config = {0};
    struct err ignored;
    return load_config(&config, &ignored) ? NULL : value(&config, "region");
}
