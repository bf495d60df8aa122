/* sim_main.c -- the command line of the simulator; see doc/simulator.md.
 *
 * Seeds run in a child process: a CHECK that fails ends the child, is reported with its seed, and
 * the next child goes on behind it. */
#include "sim_plan.h"
#include "sim_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TWICE_EVERY = 50, SEEDS_NORMAL = 1000 };

/* Shared between the child at work and its parent. */
struct progress {
    uint64_t seed, passed, failed;
    struct sim_totals totals;
};

static void run_seed(struct progress *p, uint64_t seed)
{
    struct fault why = {0};
    uint64_t hash, again;
    p->seed = seed;
    bool is_good = sim_plan_run(seed, false, &hash, &why);
    if (is_good && seed % TWICE_EVERY == 0) {
        (void)sim_plan_run(seed, false, &again, &why);
        is_good = hash == again;
        if (!is_good)
            (void)fault_set(&why, ERR_BAD, 0, "the same seed gives another world");
    }
    p->totals = sim_totals;
    if (is_good) {
        p->passed++;
        return;
    }
    p->failed++;
    printf("seed %llu failed: %s\n", (unsigned long long)seed, why.text);
    fflush(stdout);
}

static int run_seeds(uint64_t from, uint64_t count)
{
    struct progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 1;
    p->seed = from - 1;
    while (p->passed + p->failed < count) {
        uint64_t next = p->seed + 1;
        fflush(stdout);
        pid_t child = fork();
        if (child < 0)
            return 1;
        if (child == 0) {
            sim_totals = p->totals;
            for (uint64_t seed = next; seed < from + count; seed++)
                run_seed(p, seed);
            exit(0); /* with what a sanitizer does at the end */
        }
        int status;
        if (waitpid(child, &status, 0) != child)
            return 1;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            break;
        p->failed++;
        printf("seed %llu failed: the process ended with status %d\n", (unsigned long long)p->seed,
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    const struct sim_totals *t = &p->totals;
    printf(
        "sim: %llu worlds, %llu crashes, %llu disk failures; %llu messages said, %llu answered "
        "250, %llu transactions taken, %llu reports, %llu unsure, %llu moved, %llu checkpoints\n",
        (unsigned long long)t->worlds, (unsigned long long)t->crashes,
        (unsigned long long)t->io_failures, (unsigned long long)t->mails,
        (unsigned long long)t->accepted, (unsigned long long)t->taken,
        (unsigned long long)t->notes[NOTE_REPORTED], (unsigned long long)t->notes[NOTE_UNSURE],
        (unsigned long long)t->notes[NOTE_MOVED], (unsigned long long)t->notes[NOTE_CHECKPOINT]);
    printf("sim: %llu segments came back from their index, %llu were walked\n",
           (unsigned long long)t->segments_indexed, (unsigned long long)t->segments_walked);
    printf("sim: %llu seeds passed, %llu failed\n", (unsigned long long)p->passed,
           (unsigned long long)p->failed);
    return p->failed ? 1 : 0;
}

static int run_one(uint64_t seed, bool is_verbose)
{
    struct fault why = {0};
    uint64_t hash;
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool is_good = sim_plan_run(seed, is_verbose, &hash, &why);
    if (!is_good)
        printf("seed %llu failed: %s\n", (unsigned long long)seed, why.text);
    printf("seed %llu: hash %016llx\n", (unsigned long long)seed, (unsigned long long)hash);
    printf("sim: %d seeds passed, %d failed\n", is_good, !is_good);
    return is_good ? 0 : 1;
}

static bool number(const char *text, uint64_t *out)
{
    return text && slice_to_u64(slice_cstr(text), out);
}

static int usage(void)
{
    fputs("sim                     all scenes\n"
          "sim NAME...             these scenes\n"
          "sim --seeds FROM COUNT  worlds drawn from numbers; without COUNT as many as\n"
          "                        OUTPOST_SIM_SEEDS says, or 1000\n"
          "sim --seed N [-v]       one of them; -v: everything that happens\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t from, count;
    if (argc > 1 && strcmp(argv[1], "--seeds") == 0) {
        const char *many = getenv("OUTPOST_SIM_SEEDS");
        if (!many)
            many = getenv("SIM_SEEDS");
        from = 1;
        count = SEEDS_NORMAL;
        if ((argc > 2 && !number(argv[2], &from)) || (argc > 3 && !number(argv[3], &count)) ||
            (argc <= 3 && many && !number(many, &count)))
            return usage();
        return run_seeds(from, count);
    }
    if (argc > 1 && strcmp(argv[1], "--seed") == 0) {
        if (argc < 3 || !number(argv[2], &from))
            return usage();
        return run_one(from, argc > 3 && strcmp(argv[3], "-v") == 0);
    }
    if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], "-v") != 0)
        return usage();
    return sim_scene_run(argc - 1, argv + 1);
}
