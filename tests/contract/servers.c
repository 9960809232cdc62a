#include "contract/servers.h"

#include "base/arena.h"

static int
run(const struct servers *servers, const char *command)
{
    _cleanup(cleanup_free) char *line = xasprintf(
        "%s %s --dir %s >/dev/null", SERVERS_TOOL, command, servers->dir);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
must_run(const struct servers *servers, const char *command)
{
    int code = run(servers, command);
    if (code != 0) {
        fprintf(stderr, "tools/servers %s: exit code %d\n", command, code);
        exit(1);
    }
}

static void
close_pipe(FILE **pipe)
{
    if (*pipe) {
        pclose(*pipe);
    }
}

static void
read_url(struct servers *servers)
{
    _cleanup(cleanup_free) char *line =
        xasprintf("%s env --dir %s 2>/dev/null", SERVERS_TOOL, servers->dir);
    _cleanup(close_pipe) FILE *pipe = popen(line, "r");
    if (!pipe || fscanf(pipe, "export %*[A-Z_]=%255s", servers->url) != 1) {
        fprintf(stderr, "tools/servers env: no URL\n");
        exit(1);
    }
}

bool
servers_start(struct servers *servers, const char *name)
{
    _cleanup(cleanup_free) char *start = xasprintf("start --only %s", name);
    snprintf(servers->dir, sizeof(servers->dir), "/tmp/alex-test-XXXXXX");
    if (!mkdtemp(servers->dir)) {
        perror("mkdtemp");
        exit(1);
    }
    int code = run(servers, start);
    if (code == 69) {
        printf("SKIP: %s is not installed\n", name);
        rmdir(servers->dir);
        return false;
    }
    if (code != 0) {
        must_run(servers, start);
    }
    read_url(servers);
    return true;
}

void
servers_run(const struct servers *servers, const char *command)
{
    must_run(servers, command);
}

void
servers_stop(struct servers *servers)
{
    must_run(servers, "stop --remove");
}
