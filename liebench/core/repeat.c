/* One repetition: samples between two edges; and the calibration of a batch. */
#include "lb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURNS = 31, LEAST_TURNS = 7, CALIBRATE_NS = 60000000, WINDOW_NS = 60000, STEPS = 1000 };

/* calloc'ed pages are not there yet: writing them now keeps page faults out of the timed region. */
void *lb_room(size_t count, size_t size)
{
    void *room = calloc(count, size);
    if (!room)
        lb_fail("no memory for %zu values; ask for fewer samples", count);
    memset(room, 1, count * size);
    memset(room, 0, count * size);
    return room;
}

double *lb_series(struct lb_run *run, const char *quantity)
{
    if (run->series_count == LB_SERIES)
        lb_fail("kernel %s has too many quantities", run->kernel->name);
    if (!run->offsets)
        run->offsets = lb_room((size_t)run->samples, sizeof *run->offsets);
    struct lb_series *series = &run->series[run->series_count++];
    series->quantity = quantity;
    series->values = lb_room((size_t)run->samples, sizeof *series->values);
    return series->values;
}

bool lb_edges;

static void tell(const char *edge)
{
    if (lb_edges && dprintf(STDOUT_FILENO, "{\"edge\":\"%s\"}\n", edge) < 0)
        lb_fail("stdout is gone");
}

void lb_begin(struct lb_run *run)
{
    if (lb_int(run, "sentinel"))
        lb_sentinel_read(&run->sentinel);
    tell("begin");
    lb_alibi_read(&run->before);
    run->start_ns = lb_now();
}

void lb_end(struct lb_run *run)
{
    run->elapsed_ns = lb_now() - run->start_ns;
    tell("end");
    lb_alibi_read(&run->after);
    run->migrated |= run->after.cpu != run->before.cpu;
    if (lb_int(run, "sentinel"))
        lb_sentinel_read(&run->sentinel);
}

void lb_place(struct lb_run *run) { run->migrated |= lb_cpu() != run->before.cpu; }

static void measure(struct lb_run *run, lb_batch *batch, void *state, double *values)
{
    int64_t ops = run->ops, again = llround(run->plant_share * (double)ops);
    uint64_t planted = (uint64_t)llround(run->plant_work * (double)ops);
    batch(state, ops < STEPS ? ops : STEPS); /* warm the code path and what it touches */
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t before = lb_now();
        batch(state, ops + again);
        lb_chain(planted);
        int64_t after = lb_now();
        values[i] = (double)(after - before) / (double)ops;
        run->offsets[i] = before - run->start_ns;
        lb_place(run);
    }
    lb_end(run);
}

static int64_t lasts(lb_batch *batch, void *state, int64_t ops)
{
    int64_t before = lb_now();
    batch(state, ops);
    return lb_now() - before;
}

/* As many operations as last `window` ns; LB_MAX_OPS where an operation costs nothing that can be
 * seen. */
static int64_t fill(lb_batch *batch, void *state, double window)
{
    int64_t ops = 1;
    while ((double)lasts(batch, state, ops) < window && ops < (int64_t)LB_MAX_OPS)
        ops *= 2;
    return ops < (int64_t)LB_MAX_OPS ? ops : (int64_t)LB_MAX_OPS;
}

/* The cheapest of several turns: what the machine can do when nobody interferes. */
static int calibrate(struct lb_run *run, lb_batch *batch, void *state)
{
    double window = fmax(WINDOW_NS, STEPS * run->timer.step_ns), work = INFINITY;
    int64_t ops = fill(batch, state, window), until = lb_now() + CALIBRATE_NS;
    for (int i = 0; i < TURNS && (i < LEAST_TURNS || lb_now() < until); i++)
        work = fmin(work, (double)lasts(batch, state, ops));
    double op_ns = fmax(work - run->timer.read_ns, 0) / (double)ops;
    double target = fmax(lb_num(run, "target_ns"), STEPS * run->timer.step_ns);
    double wanted = op_ns > 0 ? ceil(target / op_ns) : LB_MAX_OPS;
    return lb_output_calibration(run, (int64_t)fmin(fmax(wanted, 1), LB_MAX_OPS), op_ns);
}

/* The whole life of a batched kernel: quantity "ns", the cost of one operation; what is planted is
 * done inside the timed region. plant_share makes operations that are not counted: whatever state
 * the machine is in, they cost what the counted ones do. (Other work of the same length does not:
 * where a neighbour shares the core, calls took 1.3 times as long and a chain of dependent
 * instructions 1.5 times.) plant_work and plant_ns are work, not a spin on the clock. */
int lb_batched(struct lb_run *run, lb_batch *batch, void *state)
{
    if (lb_int(run, "calibrate"))
        return calibrate(run, batch, state);
    if (lb_num(run, "plant_ns") > 0)
        run->plant_work = lb_num(run, "plant_ns") / lb_chain_ns();
    measure(run, batch, state, lb_series(run, "ns"));
    return lb_output(run);
}
