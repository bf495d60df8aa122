/* sim_remote.h -- what receiving hosts say and take: scripted SMTP servers. They take messages byte
 * for byte, and they notice when the relay breaks a rule of the protocol. */
#pragma once

#include "sim_net.h"

struct sim_world;

void sim_remote_close(struct sim_world *w);

/* From the network. */
void sim_remote_on_connect(struct sim_world *w, struct sim_conn *c);
void sim_remote_on_told(struct sim_world *w, struct sim_conn *c);
void sim_remote_on_engine_gone(struct sim_world *w, struct sim_conn *c);
