/* sim_mood.c -- what may be wrong with a host today, as rows. */
#include "sim_mood.h"

#include <string.h>

const struct sim_mood sim_moods[] = {
    {.name = "good"},
    {"dead", 0, {{SIM_AT_CONNECT, SIM_DOES_REFUSE, 100}}},
    {"silent", 0, {{SIM_AT_CONNECT, SIM_DOES_IGNORE, 100}}},
    {"deaf", 0, {{SIM_AT_GREETING, SIM_DOES_IGNORE, 100}}},
    {"busy", 0, {{SIM_AT_GREETING, SIM_DOES_SHUT, 70}}},
    {"closed", 0, {{SIM_AT_GREETING, SIM_DOES_PERM, 100}}},
    {"rude", 0, {{SIM_AT_GREETING, SIM_DOES_DROP, 40}, {SIM_AT_EHLO, SIM_DOES_TEMP, 40}}},
    {"grumpy",
     0,
     {{SIM_AT_MAIL, SIM_DOES_TEMP, 10},
      {SIM_AT_RCPT, SIM_DOES_TEMP, 20},
      {SIM_AT_DATA, SIM_DOES_TEMP, 10},
      {SIM_AT_FINAL, SIM_DOES_TEMP, 15}}},
    {"full", 0, {{SIM_AT_RCPT, SIM_DOES_TEMP, 100}}},
    {"harsh",
     0,
     {{SIM_AT_MAIL, SIM_DOES_PERM, 5},
      {SIM_AT_RCPT, SIM_DOES_PERM, 15},
      {SIM_AT_DATA, SIM_DOES_PERM, 5},
      {SIM_AT_FINAL, SIM_DOES_PERM, 10}}},
    {"flaky",
     0,
     {{SIM_AT_EHLO, SIM_DOES_DROP, 8},
      {SIM_AT_MAIL, SIM_DOES_DROP, 8},
      {SIM_AT_RCPT, SIM_DOES_DROP, 8},
      {SIM_AT_DATA, SIM_DOES_DROP, 8},
      {SIM_AT_BODY, SIM_DOES_DROP, 8},
      {SIM_AT_FINAL, SIM_DOES_DROP, 8}}},
    {"lossy", 0, {{SIM_AT_FINAL, SIM_DOES_LOSE, 40}, {SIM_AT_FINAL, SIM_DOES_HALF, 15}}},
    {"lost", 0, {{SIM_AT_FINAL, SIM_DOES_LOSE, 100}}},
    {"sleepy", 0, {{SIM_AT_RCPT, SIM_DOES_IGNORE, 8}, {SIM_AT_FINAL, SIM_DOES_IGNORE, 20}}},
    {"slow", 60 * 1000, {{0}}},
    {"shutting",
     500,
     {{SIM_AT_MAIL, SIM_DOES_SHUT, 20},
      {SIM_AT_RCPT, SIM_DOES_SHUT, 10},
      {SIM_AT_BODY, SIM_DOES_SHUT, 10},
      {SIM_AT_FINAL, SIM_DOES_SHUT, 10}}},
    {"storm", 0, {{SIM_AT_MAIL, SIM_DOES_SHUT, 100}}},
    {"halving",
     100,
     {{SIM_AT_GREETING, SIM_DOES_HALF, 8},
      {SIM_AT_EHLO, SIM_DOES_HALF, 8},
      {SIM_AT_RCPT, SIM_DOES_HALF, 8},
      {SIM_AT_FINAL, SIM_DOES_HALF, 20}}},
    {"stubborn",
     0,
     {{SIM_AT_RCPT, SIM_DOES_PERM, 30},
      {SIM_AT_RSET, SIM_DOES_PERM, 30},
      {SIM_AT_RSET, SIM_DOES_DROP, 20},
      {SIM_AT_RSET, SIM_DOES_SHUT, 20}}},
    {"tired", 2000, {{SIM_AT_FINAL, SIM_DOES_TEMP, 30}, {SIM_AT_FINAL, SIM_DOES_LOSE, 10}}},
};
const unsigned sim_mood_count = COUNT_OF(sim_moods);

const struct sim_mood *sim_mood_named(const char *name)
{
    for (unsigned i = 0; i < sim_mood_count; i++)
        if (strcmp(sim_moods[i].name, name) == 0)
            return &sim_moods[i];
    CHECK(!"a mood of that name");
}
