/* place-start: a place from its start to its end, as whoever asks for one waits for it.
 *
 * The program says a line once it is there; it is told to end, and ends. Nobody runs between the
 * stamps but it.
 */
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 128, TEXT = 16384 };

static char text[TEXT], *words[WORDS];

/* A file of words, one a line: a word may hold blanks. */
static void read_words(const char *path)
{
    int fd = open(path ? path : "", O_RDONLY | O_CLOEXEC), count = 0;
    ssize_t got = fd < 0 ? -1 : read(fd, text, TEXT - 1);
    if (got <= 0)
        lb_fail("cannot read the command in %s: %s", path ? path : "command=FILE", strerror(errno));
    close(fd);
    for (char *word = strtok(text, "\n"); word && count < WORDS - 1; word = strtok(NULL, "\n"))
        words[count++] = word;
}

static void hear_line(int from)
{
    char said = 0;
    while (said != '\n')
        if (read(from, &said, 1) != 1)
            lb_fail("%s ended without a word", words[0]);
}

static void start_and_end(int64_t *there, int64_t *gone)
{
    int in[2], out[2], status;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        lb_fail("no pipes: %s", strerror(errno));
    pid_t child = vfork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO), dup2(out[1], STDOUT_FILENO);
        execv(words[0], words);
        _exit(127);
    }
    close(in[0]), close(out[1]);
    hear_line(out[0]);
    *there = lb_now();
    if (write(in[1], "end\n", 4) != 4 || waitpid(child, &status, 0) != child || status)
        lb_fail("%s did not end as it should", words[0]);
    *gone = lb_now();
    close(in[1]), close(out[0]);
}

static int run(struct lb_run *run)
{
    read_words(lb_text(run, "command"));
    double *ms = lb_series(run, "ms"), *first = lb_series(run, "first_ms");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t before = lb_now(), there = 0, gone = 0;
        run->offsets[i] = before - run->start_ns;
        for (int64_t times = lb_int(run, "times"); times--;)
            start_and_end(&there, &gone);
        ms[i] = (double)(gone - before) / 1e6;
        first[i] = (double)(there - before) / 1e6;
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"command", 's', 0, 0, 0, NULL},
    {"times", 'i', 1, 10, 1, NULL}, /* one after the other; more than once is a planted lie */
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel PLACE_START = {
    .name = "place-start",
    .summary = "a place from its start to its end",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(PLACE_START);
