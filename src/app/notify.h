/* notify.h -- a word to the service manager: sd_notify(3) without its library. */
#pragma once

/* "READY=1", "STOPPING=1", ...; nothing happens when nobody asked ($NOTIFY_SOCKET). */
void notify_manager(const char *state);
