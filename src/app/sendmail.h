/* sendmail.h -- sendmail(1): mail of local programs for the relay of this host.
 *
 *   input -> letter (mail/letter.h) -> the relay's Unix socket -> 250 -> exit 0
 *                                         | down, full, stopping
 *                                         v
 *                                      drop directory (drop_file.h) -> exit 0
 *                                         | cannot be written
 *                                         v
 *                                      exit 75: nothing is promised
 *
 * Runs as whoever called it, without any right of its own. */
#pragma once

/* argv as main got it, or behind "outpost". Returns the exit status. */
int sendmail_run(int argc, char **argv);
