/* The answer: one JSON object on one line. JSON itself is written by json.c. A write that fails is
 * a failure. */
#include "lb.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_count(const char *name, int64_t value, bool is_known)
{
    lb_put_name(name);
    lb_put_int(value, is_known);
}

static void put_difference(const char *name, int64_t before, int64_t after)
{
    put_count(name, after - before, before >= 0 && after >= 0);
    putchar(',');
}

static void put_head(const struct lb_run *run)
{
    fputs("{\"core\":", stdout);
    lb_put_text(LB_BUILD_ID);
    fputs(",\"kernel\":", stdout);
    lb_put_text(run->kernel->name);
    fputs(",\"args\":{", stdout);
    for (int i = 0; i < run->given_count; i++) {
        fputs(i ? "," : "", stdout);
        lb_put_name(run->keys[run->given[i]].name);
        lb_put_text(run->texts[run->given[i]]);
    }
    printf("},\"timer\":{\"step_ns\":%.6g,\"gcd_ns\":%.6g,\"read_ns\":%.6g,\"vdso\":%s}",
           run->timer.step_ns, run->timer.gcd_ns, run->timer.read_ns,
           run->timer.vdso ? "true" : "false");
}

/* Seven digits are enough for a cost; a large offset needs more, or its two bounds would print as
 * one number. */
static void put_sample(double value) { lb_put_num(value, fabs(value) < 1e4 ? 7 : 12); }

static void put_samples(const struct lb_run *run)
{
    printf(",\"samples\":{");
    for (int s = 0; s < run->series_count; s++) {
        fputs(s ? "," : "", stdout);
        lb_put_name(run->series[s].quantity);
        putchar('[');
        for (int64_t i = 0; i < run->samples; i++) {
            if (i)
                putchar(',');
            put_sample(run->series[s].values[i]);
        }
        putchar(']');
    }
    printf("},\"offsets_ns\":[");
    for (int64_t i = 0; run->offsets && i < run->samples; i++)
        printf("%s%" PRId64, i ? "," : "", run->offsets[i]);
    putchar(']');
}

static void put_alibi(const struct lb_run *run)
{
    const struct lb_edge *a = &run->before, *b = &run->after;
    bool stayed = !run->migrated; /* ticks of two processors have no difference */
    printf(",\"alibi\":{");
    put_difference("run_delay_ns", a->run_delay_ns, b->run_delay_ns);
    put_difference("cpu_ns", a->cpu_ns, b->cpu_ns);
    put_difference("slices", a->slices, b->slices);
    put_difference("nvcsw", a->usage.ru_nvcsw, b->usage.ru_nvcsw);
    put_difference("nivcsw", a->usage.ru_nivcsw, b->usage.ru_nivcsw);
    put_difference("minflt", a->usage.ru_minflt, b->usage.ru_minflt);
    put_difference("majflt", a->usage.ru_majflt, b->usage.ru_majflt);
    put_difference("steal_ticks", stayed ? a->steal : -1, b->steal);
    put_difference("irq_ticks", stayed ? a->irq : -1, b->irq);
    put_difference("softirq_ticks", stayed ? a->softirq : -1, b->softirq);
    put_count("cpu_first", a->cpu, a->cpu >= 0);
    putchar(',');
    put_count("cpu_last", b->cpu, b->cpu >= 0);
    printf(",\"migrated\":%d}", run->migrated);
}

static void put_sentinel(const struct lb_run *run)
{
    printf(",\"sentinel\":{");
    if (run->sentinel.chain1_ns > 0)
        printf("\"chain1_ns\":%.6g,\"chain8_ns\":%.6g", run->sentinel.chain1_ns,
               run->sentinel.chain8_ns);
    putchar('}');
}

static void put_facts(const struct lb_run *run)
{
    printf(",\"facts\":{");
    for (int i = 0; i < run->fact_count; i++) {
        const struct lb_fact *fact = &run->facts[i];
        fputs(i ? "," : "", stdout);
        lb_put_name(fact->name);
        if (fact->text)
            lb_put_text(fact->text);
        else
            lb_put_num(fact->value, 12);
    }
    putchar('}');
}

static char *copy(const char *text)
{
    char *copied = strdup(text);
    if (!copied)
        lb_fail("no memory for a fact");
    return copied;
}

static struct lb_fact *add_fact(struct lb_run *run, const char *name)
{
    if (run->fact_count == LB_FACTS)
        lb_fail("kernel %s has more facts than fit", run->kernel->name);
    struct lb_fact *fact = &run->facts[run->fact_count++];
    fact->name = copy(name);
    return fact;
}

void lb_fact_num(struct lb_run *run, const char *name, double value)
{
    add_fact(run, name)->value = value;
}

void lb_fact_text(struct lb_run *run, const char *name, const char *value)
{
    add_fact(run, name)->text = copy(value);
}

int lb_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return LB_OK;
    fprintf(stderr, "liebench-core: the answer could not be written to stdout: %s\n",
            strerror(errno));
    return LB_FAILED;
}

int lb_output(struct lb_run *run)
{
    put_head(run);
    printf(",\"start_ns\":%" PRId64 ",\"elapsed_ns\":%" PRId64 ",\"ops\":%" PRId64, run->start_ns,
           run->elapsed_ns, run->ops);
    put_samples(run);
    put_alibi(run);
    put_sentinel(run);
    put_facts(run);
    puts("}");
    return lb_flush();
}

int lb_output_calibration(struct lb_run *run, int64_t ops, double op_ns)
{
    put_head(run);
    printf(",\"ops\":%" PRId64 ",\"op_ns\":", ops);
    lb_put_num(op_ns, 7);
    puts("}");
    return lb_flush();
}
