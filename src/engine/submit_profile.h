/* submit_profile.h -- a listener's options as its sessions use them. */
#pragma once

#include "engine_core.h"

/* Outlives a reload while a session needs it. */
struct submit_profile {
    int refs;
    struct smtp_server_options smtp;
    char *hostname, *domain;
    enum engine_listener_tls tls;
    enum engine_certificates certificates;
};

void submit_profiles_make(struct engine *e); /* one a listener, by e->opt */
void submit_profiles_drop(struct engine *e);
void submit_profile_unref(struct submit_profile *p);
