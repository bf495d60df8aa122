/* queue_dir.c -- see queue_dir.h. */
#include "queue_dir.h"

#include <stdio.h>

#include "config_file.h"

int queue_dir_find(const struct cli *c, char out[STATE_DIR_BYTES_MAX])
{
    struct config_file file = {0};
    struct fault why = {0};
    struct slice dir = slice_cstr(c->dir);
    int status = EXIT_GOOD;
    if (!c->dir) {
        if (config_file_load(&file, c->config, &why) != ERR_OK)
            status = cli_fail(EXIT_CONFIG, "%s (--dir DIR does without the file)", why.text);
        else if (file.mistake_count)
            /* A mistake there, and the default would be another relay's queue. */
            status = cli_fail(EXIT_CONFIG, "the configuration has mistakes: see outpost check, or "
                                           "say --dir DIR");
        else
            dir = file.config->state_dir;
    }
    if (!status && (!dir.n || dir.n >= STATE_DIR_BYTES_MAX))
        status = cli_fail(EXIT_USAGE, dir.n ? "the directory's name is too long"
                                            : "--dir needs a directory");
    if (!status)
        snprintf(out, STATE_DIR_BYTES_MAX, "%.*s", SLICE_FMT(dir));
    config_file_close(&file);
    return status;
}

int queue_dir_open(const struct cli *c, struct store_look **out)
{
    char dir[STATE_DIR_BYTES_MAX];
    struct fault why = {0};
    int status = queue_dir_find(c, dir);
    if (!status && store_look_open(out, dir, &why) != ERR_OK)
        status = cli_fail(EXIT_FAILED, "%s", why.text);
    return status;
}
