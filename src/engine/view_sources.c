/* view_sources.c -- see the header. */
#include "view_sources.h"

#include "engine_core.h"

static unsigned pool_of(const struct view_sources *v, const struct engine_source **out)
{
    if (!v->d)
        return source_pool(v->e->opt, v->route, v->name, out);
    for (unsigned i = 0; i < v->d->source_count; i++)
        out[i] = &v->d->source[i];
    return v->d->source_count;
}

static struct slice said_name(const struct view_sources *v, const struct engine_source *s)
{
    return s->helo.n ? s->helo : v->e->opt->hostname;
}

static bool is_usable(const struct view_sources *v, const struct engine_source *s)
{
    return source_is_usable(v->e, &s->v4, v->now_ms) && source_is_usable(v->e, &s->v6, v->now_ms);
}

static int64_t avoided_s(const struct view_sources *v, bool *everywhere)
{
    int64_t until_ms = avoid_v6_until_ms(v->e, v->name, everywhere);
    return until_ms > v->now_ms ? (until_ms - v->now_ms + 999) / 1000 : 0;
}

void view_sources_json(const struct view_sources *v, struct json *j)
{
    const struct engine_source *pool[ENGINE_SOURCES_MAX];
    unsigned count = pool_of(v, pool);
    bool everywhere;
    json_array(j, "sources");
    for (unsigned i = 0; i < count; i++) {
        json_object(j, NULL);
        json_string(j, "name", pool[i]->name);
        json_string(j, "address", slice_cstr(ip_build(&pool[i]->v4).s));
        json_string(j, "address6", slice_cstr(ip_build(&pool[i]->v6).s));
        json_string(j, "helo", said_name(v, pool[i]));
        json_bool(j, "is_usable", is_usable(v, pool[i]));
        json_end(j, '}');
    }
    json_end(j, ']');
    json_int(j, "ipv6_avoided_s", avoided_s(v, &everywhere));
}

void view_sources_text(const struct view_sources *v, struct buf *out)
{
    const struct engine_source *pool[ENGINE_SOURCES_MAX];
    unsigned count = pool_of(v, pool);
    for (unsigned i = 0; i < count; i++) {
        const struct engine_source *s = pool[i];
        bool has_both = s->v4.family && s->v6.family;
        buf_addf(out, "  %s%.*s, %s", i ? "            else " : "source      ", SLICE_FMT(s->name),
                 s->v6.family ? ip_build(&s->v6).s : "");
        buf_addf(out, "%s%s, as %.*s%s\n", has_both ? " or " : "",
                 s->v4.family ? ip_build(&s->v4).s : "", SLICE_FMT(said_name(v, s)),
                 is_usable(v, s) ? "" : "; not usable at present (see source-refused)");
    }
    bool everywhere;
    int64_t avoided = avoided_s(v, &everywhere);
    if (avoided)
        buf_addf(out, "  ipv6        tried last for another %llds%s\n", (long long)avoided,
                 everywhere ? ", everywhere: there is no route" : "");
}
