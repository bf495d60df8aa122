/* err.c -- error names, the text of a fault, the end on our own mistake, and memory that is
 * there or ends the process. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err fault_set(struct fault *why, enum err e, int errnum, const char *fmt, ...)
{
    if (!why)
        return e;
    why->errnum = errnum;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    if (n < 0) {
        why->text[0] = 0;
        n = 0;
    }
    if (errnum && (size_t)n < sizeof why->text) {
        /* The _np form knows no locale and needs no buffer, so threads may share it. */
        const char *text = strerrordesc_np(errnum);
        if (text)
            snprintf(why->text + n, sizeof why->text - (size_t)n, ": %s", text);
        else
            snprintf(why->text + n, sizeof why->text - (size_t)n, ": error %d", errnum);
    }
    return e;
}

const char *err_name(enum err e)
{
    static const char *const name[ERR_COUNT] = {
        [ERR_OK] = "ok",           [ERR_SYSTEM] = "system",     [ERR_NO_MEMORY] = "no memory",
        [ERR_FULL] = "full",       [ERR_BUSY] = "busy",         [ERR_DENIED] = "denied",
        [ERR_MISSING] = "missing", [ERR_BAD] = "bad",           [ERR_DAMAGED] = "damaged",
        [ERR_TIMEOUT] = "timeout", [ERR_CLOSED] = "closed",     [ERR_REFUSED] = "refused",
        [ERR_TLS] = "tls",         [ERR_NO_ROUTE] = "no route", [ERR_SOURCE] = "source",
    };
    return (unsigned)e < ERR_COUNT ? name[e] : "unknown";
}

_Noreturn void check_failed(const char *what, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "outpost: CHECK failed: %s (%s:%d)\n", what, file, line);
    if (n > 0) {
        size_t left = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
        if (write(STDERR_FILENO, text, left) < 0)
            abort(); /* nobody listens; the end is the same */
    }
    abort();
}

void *mem_new(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    CHECK(p != NULL);
    return p;
}

void *mem_resize(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    CHECK(q != NULL);
    return q;
}

char *mem_dup(const void *p, size_t n)
{
    CHECK(n < SIZE_MAX);
    char *q = malloc(n + 1);
    CHECK(q != NULL);
    if (n)
        memcpy(q, p, n);
    q[n] = 0;
    return q;
}

void mem_free(void *p)
{
    free(p);
}
