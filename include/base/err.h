/* err.h -- the one list of errors, the fault that explains one, and CHECK.
 *
 * Four kinds of trouble, four treatments: a peer's refusal is data; bad input
 * is PARSE_BAD; the world's failure is an `enum err` with a `struct fault`;
 * our own mistake is CHECK, which stops the process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
/* The struct that an intrusive node lives in. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

enum err {
    ERR_OK = 0,
    ERR_SYSTEM, /* a system call failed: fault.errnum says which error */
    ERR_NO_MEMORY,
    ERR_FULL,    /* a configured limit or the disk is reached */
    ERR_BUSY,    /* somebody else holds it: lock, port */
    ERR_DENIED,  /* permissions */
    ERR_MISSING, /* no such file, key, message */
    ERR_BAD,     /* content that cannot be used: key file, segment, configuration */
    ERR_DAMAGED, /* a checksum does not match */
    ERR_TIMEOUT,
    ERR_CLOSED,   /* the other side or we ended it */
    ERR_REFUSED,  /* connection refused, unreachable */
    ERR_TLS,      /* handshake or record layer */
    ERR_NO_ROUTE, /* this machine cannot reach such an address */
    ERR_SOURCE,   /* the address to connect from cannot be used */
    ERR_COUNT
};

/* What every parser says. */
enum parse {
    PARSE_DONE, /* a whole item was read */
    PARSE_MORE, /* all bytes are fine so far, more are needed */
    PARSE_BAD,  /* the input is wrong; the offset says where */
};

/* One line for a person: what was tried on what, and why it failed. */
struct fault {
    int errnum; /* errno, 0 when none */
    char text[256];
};

/* Fills `why` (may be NULL) and returns `e`, so that `return fault_set(...)` reads well.
 * With errnum != 0 the error's text is appended after ": ". */
enum err fault_set(struct fault *why, enum err e, int errnum, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
const char *err_name(enum err e);

/* Our own mistake: say where and stop, in release builds too. */
#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
_Noreturn void check_failed(const char *what, const char *file, int line);

/* malloc and friends that stop the process when memory is gone: every size they are given is
 * bounded by configuration, so this is the end of the machine, and the journal makes it safe. */
MUST_USE void *mem_new(size_t n); /* zeroed */
MUST_USE void *mem_resize(void *p, size_t n);
MUST_USE char *mem_dup(const void *p, size_t n); /* n bytes and a NUL behind them */
void mem_free(void *p);
