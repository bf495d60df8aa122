/* listeners.c -- see listeners.h. */
#include "listeners.h"

#include <errno.h>
#include <string.h>

#include "file.h"

void listeners_init(struct listeners *l, struct net *net)
{
    *l = (struct listeners){.net = net};
}

static void close_one(struct listeners *l, unsigned number)
{
    net_listen_stop(l->net, number);
    mem_free(l->at[number].address);
    l->at[number] = (struct listener){0};
}

static bool is_wanted(const struct engine_options *o, const char *address, unsigned *index)
{
    for (unsigned i = 0; i < o->listener_count; i++) {
        if (slice_eq(o->listeners[i].address, slice_cstr(address))) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool is_open(const struct listeners *l, struct slice address)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        if (l->at[i].address && slice_eq(slice_cstr(l->at[i].address), address))
            return true;
    }
    return false;
}

static enum err explain(struct slice address, enum err e, struct fault *why)
{
    if (why->errnum == EADDRINUSE || e == ERR_BUSY)
        return fault_set(why, ERR_BUSY, 0,
                         "address %.*s is in use: stop the other mail server or set listen.address",
                         SLICE_FMT(address));
    if (why->errnum == EACCES || e == ERR_DENIED)
        return fault_set(why, ERR_DENIED, 0,
                         "may not listen on %.*s: use a port above 1023 (like 2587), or give the "
                         "program the capability: setcap cap_net_bind_service=+ep, or in systemd "
                         "AmbientCapabilities=CAP_NET_BIND_SERVICE",
                         SLICE_FMT(address));
    if (why->errnum == EADDRNOTAVAIL)
        return fault_set(why, ERR_BAD, 0, "this host has no address %.*s: correct listen.address",
                         SLICE_FMT(address));
    return e;
}

static enum err open_one(struct listeners *l, struct slice address, struct fault *why)
{
    unsigned number = 0;
    while (number < LISTENERS_MAX && l->at[number].address)
        number++;
    if (number == LISTENERS_MAX)
        return fault_set(why, ERR_FULL, 0, "more than %d listeners", LISTENERS_MAX);
    struct listener *it = &l->at[number];
    it->address = mem_dup(address.p, address.n);
    it->is_fresh = true;
    *why = (struct fault){0};
    enum err e = ERR_OK;
    if (slice_starts(address, SLICE("unix:")))
        e = file_make_parent(it->address + strlen("unix:"), 0755, why);
    if (!e)
        e = net_listen(l->net, number, it->address, why);
    if (!e)
        return ERR_OK;
    mem_free(it->address);
    *it = (struct listener){0};
    return slice_starts(address, SLICE("unix:")) ? e : explain(address, e, why);
}

static enum err open_missing(struct listeners *l, const struct engine_options *o, struct fault *why)
{
    for (unsigned i = 0; i < o->listener_count; i++) {
        struct slice address = o->listeners[i].address;
        bool is_local = o->listeners[i].is_local;
        enum err e =
            is_open(l, address) ? ERR_OK : open_one(l, address, is_local ? &l->trouble : why);
        if (e && !is_local)
            return e;
    }
    return ERR_OK;
}

enum err listeners_apply(struct listeners *l, const struct engine_options *o, struct fault *why)
{
    char *closed[LISTENERS_MAX];
    unsigned closed_count = 0, index;
    l->trouble = (struct fault){0};
    for (unsigned i = 0; i < LISTENERS_MAX; i++)
        l->at[i].is_fresh = false;
    enum err e = open_missing(l, o, why);
    /* What goes may stand in the way of what comes (0.0.0.0:587 and 127.0.0.1:587). */
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        if (l->at[i].address && !is_wanted(o, l->at[i].address, &index)) {
            closed[closed_count++] = mem_dup(l->at[i].address, slice_cstr(l->at[i].address).n);
            close_one(l, i);
        }
    }
    if (e && closed_count)
        e = open_missing(l, o, why);
    if (e) {
        for (unsigned i = 0; i < LISTENERS_MAX; i++) {
            if (l->at[i].is_fresh)
                close_one(l, i);
        }
        struct fault unused;
        for (unsigned i = 0; i < closed_count; i++) {
            if (open_one(l, slice_cstr(closed[i]), &unused) != ERR_OK)
                continue; /* the caller's fault already says what is wrong */
        }
    } else {
        for (unsigned i = 0; i < LISTENERS_MAX; i++) {
            if (l->at[i].address && is_wanted(o, l->at[i].address, &index))
                l->at[i].index = index;
        }
    }
    for (unsigned i = 0; i < closed_count; i++)
        mem_free(closed[i]);
    return e;
}

void listeners_stop(struct listeners *l)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        if (l->at[i].address)
            close_one(l, i);
    }
}

bool listeners_find(const struct listeners *l, unsigned number, unsigned *index)
{
    if (number >= LISTENERS_MAX || !l->at[number].address)
        return false;
    *index = l->at[number].index;
    return true;
}
