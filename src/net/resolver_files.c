/* resolver_files.c -- two small files of the system. They are read on the loop: they are in the
 * kernel's cache, and change about never. */
#include "resolver_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { NAME_BYTES_MAX = 253, DNS_PORT = 53 };

/* ---- files --------------------------------------------------------------------------------------
 */

void resolver_file_open(struct resolver_file *f, const char *path)
{
    *f = (struct resolver_file){.path = path ? mem_dup(path, strlen(path)) : NULL};
}

void resolver_file_close(struct resolver_file *f)
{
    mem_free(f->path);
    *f = (struct resolver_file){.path = NULL};
}

bool resolver_file_has_changed(struct resolver_file *f)
{
    struct stat st;
    struct resolver_file now = {.path = f->path, .was_read = true};
    if (!f->path)
        return false;
    if (stat(f->path, &st) == 0) {
        now.is_there = true;
        now.inode = st.st_ino;
        now.bytes = (uint64_t)st.st_size;
        now.changed_s = st.st_mtim.tv_sec;
        now.changed_ns = st.st_mtim.tv_nsec;
    }
    bool has_changed = !f->was_read || now.is_there != f->is_there || now.inode != f->inode ||
                       now.bytes != f->bytes || now.changed_s != f->changed_s ||
                       now.changed_ns != f->changed_ns;
    *f = now;
    return has_changed;
}

static void read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    while (out->n < out->max) {
        size_t room = out->max - out->n < 65536 ? out->max - out->n : 65536;
        ssize_t n = read(fd, buf_reserve(out, room), room);
        if (n <= 0)
            break;
        buf_wrote(out, (size_t)n);
    }
    close(fd);
}

/* ---- lines
 * ---------------------------------------------------------------------------------------- */

static struct slice take_line(struct slice *text)
{
    size_t n = slice_find(*text, '\n');
    struct slice line = slice_head(*text, n);
    *text = slice_from(*text, n + 1);
    return line;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct slice take_word(struct slice *line)
{
    size_t from = 0, to;
    while (from < line->n && is_blank(line->p[from]))
        from++;
    for (to = from; to < line->n && !is_blank(line->p[to]); to++)
        ;
    struct slice word = slice_head(slice_from(*line, from), to - from);
    *line = slice_from(*line, to);
    return word;
}

/* ---- hosts
 * ---------------------------------------------------------------------------------------- */

static size_t fold(struct slice name, char out[NAME_BYTES_MAX])
{
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n > NAME_BYTES_MAX)
        return 0;
    for (size_t i = 0; i < name.n; i++)
        out[i] = ascii_lower(name.p[i]);
    return name.n;
}

static void add(struct resolver_hosts *h, struct slice name, const struct ip *ip)
{
    char folded[NAME_BYTES_MAX];
    size_t n = fold(name, folded);
    if (n == 0)
        return;
    struct resolver_host *host = map_get(&h->by_name, slice_of(folded, n));
    if (!host) {
        if (h->by_name.count >= RESOLVER_FILES_NAMES_MAX)
            return;
        host = mem_new(sizeof *host + n);
        memcpy(host->name, folded, n);
        host->name_bytes = n;
        map_put(&h->by_name, slice_of(host->name, n), host);
    }
    for (unsigned i = 0; i < host->count; i++) {
        if (ip_eq(&host->ip[i], ip))
            return;
    }
    if (host->count < RESOLVER_FILES_ADDRESSES_MAX)
        host->ip[host->count++] = *ip;
}

void resolver_hosts_init(struct resolver_hosts *h)
{
    map_init(&h->by_name, 0);
}

void resolver_hosts_close(struct resolver_hosts *h)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&h->by_name, &at)))
        mem_free(e->value);
    map_close(&h->by_name);
}

void resolver_hosts_parse(struct resolver_hosts *h, struct slice text)
{
    while (text.n) {
        struct slice line = take_line(&text);
        line = slice_head(line, slice_find(line, '#'));
        struct ip ip;
        if (!ip_parse(take_word(&line), &ip))
            continue;
        for (struct slice name = take_word(&line); name.n; name = take_word(&line))
            add(h, name, &ip);
    }
}

void resolver_hosts_read(struct resolver_hosts *h, const char *path)
{
    struct buf text;
    resolver_hosts_close(h);
    resolver_hosts_init(h);
    buf_init(&text, RESOLVER_FILES_BYTES_MAX);
    read_file(path, &text);
    resolver_hosts_parse(h, buf_slice(&text));
    buf_close(&text);
}

const struct resolver_host *resolver_hosts_find(const struct resolver_hosts *h, struct slice name)
{
    char folded[NAME_BYTES_MAX];
    size_t n = fold(name, folded);
    return n ? map_get(&h->by_name, slice_of(folded, n)) : NULL;
}

/* ---- resolv.conf
 * ---------------------------------------------------------------------------------- */

unsigned resolver_conf_parse(struct slice text, struct ip_port out[RESOLVER_FILES_SERVERS_MAX])
{
    unsigned count = 0;
    while (text.n && count < RESOLVER_FILES_SERVERS_MAX) {
        struct slice line = take_line(&text);
        if (!slice_eq(take_word(&line), SLICE("nameserver")))
            continue;
        out[count].port = DNS_PORT;
        if (ip_parse(take_word(&line), &out[count].ip)) /* "fe80::1%eth0" is not understood */
            count++;
    }
    if (count)
        return count;
    out[0] = (struct ip_port){.ip = {.family = IP_V4, .b = {127, 0, 0, 1}}, .port = DNS_PORT};
    return 1;
}

unsigned resolver_conf_read(const char *path, struct ip_port out[RESOLVER_FILES_SERVERS_MAX])
{
    struct buf text;
    buf_init(&text, RESOLVER_FILES_BYTES_MAX);
    if (path)
        read_file(path, &text);
    unsigned count = resolver_conf_parse(buf_slice(&text), out);
    buf_close(&text);
    return count;
}
