/* main.c -- one binary: the relay and the commands around it. */
#include <signal.h>

#include "cli.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return cli_run(argc, argv);
}
