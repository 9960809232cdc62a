/* Runs the fuzz target over files and folders of inputs: how a corpus becomes
 * an ordinary test where there is no libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
close_file(FILE **file)
{
    if (*file != NULL) {
        fclose(*file);
    }
}

static void
close_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

static int
replay_file(const char *path)
{
    _cleanup(close_file) FILE *file = fopen(path, "rb");
    _cleanup(buf_free) struct buf bytes = {0};
    size_t got;

    if (file == NULL) {
        perror(path);
        return -1;
    }
    while ((got = fread(buf_reserve(&bytes, 65536), 1, 65536, file)) > 0) {
        bytes.size += got;
    }
    /* Of exactly the size, so that a sanitizer sees reading past it. */
    _cleanup(cleanup_free) uint8_t *exact = xmalloc(bytes.size);
    memcpy(exact, bytes.data, bytes.size);
    LLVMFuzzerTestOneInput(exact, bytes.size);
    return 0;
}

static int
replay_folder(const char *path)
{
    _cleanup(close_folder) DIR *folder = opendir(path);
    const struct dirent *entry;
    int count = 0;

    if (folder == NULL) {
        perror(path);
        return -1;
    }
    while ((entry = readdir(folder)) != NULL) {
        _cleanup(cleanup_free) char *name =
            xasprintf("%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && replay_file(name) != 0) {
            return -1;
        }
        count += entry->d_name[0] != '.';
    }
    printf("%s: %d inputs\n", path, count);
    return count > 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (replay_folder(argv[i]) != 0) {
            return 1;
        }
    }
    return argc > 1 ? 0 : 2;
}
