/* The answer: one JSON object on one line. Numbers are finite or null; a write that fails is a failure. */
#include "lb.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lb_put_num(double value, int digits)
{
    if (isfinite(value))
        printf("%.*g", digits, value);
    else
        fputs("null", stdout);
}

/* Arguments are printable ASCII (args.c), so quotes and backslashes are all that must be escaped. */
void lb_put_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void put_count(const char *name, int64_t value, bool is_known)
{
    if (is_known)
        printf("\"%s\":%" PRId64, name, value);
    else
        printf("\"%s\":null", name);
}

static void put_difference(const char *name, int64_t before, int64_t after)
{
    put_count(name, after - before, before >= 0 && after >= 0);
    putchar(',');
}

static void put_head(const struct lb_run *run)
{
    printf("{\"core\":\"%s\",\"kernel\":\"%s\",\"args\":{", LB_BUILD_ID, run->kernel->name);
    for (int i = 0; i < run->argc; i++) {
        const char *sign = strchr(run->argv[i], '=');
        printf("%s\"%.*s\":", i ? "," : "", (int)(sign - run->argv[i]), run->argv[i]);
        lb_put_text(sign + 1);
    }
    printf("},\"timer\":{\"step_ns\":%.6g,\"gcd_ns\":%.6g,\"read_ns\":%.6g,\"vdso\":%s}", run->timer.step_ns,
           run->timer.gcd_ns, run->timer.read_ns, run->timer.vdso ? "true" : "false");
}

/* Seven digits are enough for a cost; a large offset needs more, or its two bounds would print as one number. */
static void put_sample(double value) { lb_put_num(value, fabs(value) < 1e4 ? 7 : 12); }

static void put_samples(const struct lb_run *run)
{
    printf(",\"samples\":{");
    for (int s = 0; s < run->series_count; s++) {
        printf("%s\"%s\":[", s ? "," : "", run->series[s].quantity);
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
        printf("\"chain1_ns\":%.6g,\"chain8_ns\":%.6g", run->sentinel.chain1_ns, run->sentinel.chain8_ns);
    putchar('}');
}

static void add_fact(struct lb_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_fact(struct lb_run *run, const char *format, ...)
{
    va_list list;
    size_t left = sizeof run->facts - run->facts_used;
    va_start(list, format);
    int length = vsnprintf(run->facts + run->facts_used, left, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= left)
        lb_fail("kernel %s has more facts than fit", run->kernel->name);
    run->facts_used += (size_t)length;
}

void lb_fact_num(struct lb_run *run, const char *name, double value)
{
    const char *comma = run->facts_used ? "," : "";
    if (isfinite(value))
        add_fact(run, "%s\"%s\":%.12g", comma, name, value);
    else
        add_fact(run, "%s\"%s\":null", comma, name);
}

void lb_fact_text(struct lb_run *run, const char *name, const char *value)
{
    add_fact(run, "%s\"%s\":\"%s\"", run->facts_used ? "," : "", name, value);
}

int lb_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return LB_OK;
    fprintf(stderr, "liebench-core: the answer could not be written to stdout: %s\n", strerror(errno));
    return LB_FAILED;
}

int lb_output(struct lb_run *run)
{
    put_head(run);
    printf(",\"start_ns\":%" PRId64 ",\"elapsed_ns\":%" PRId64 ",\"ops\":%" PRId64, run->start_ns, run->elapsed_ns,
           run->ops);
    put_samples(run);
    put_alibi(run);
    put_sentinel(run);
    printf(",\"facts\":{%s}}\n", run->facts);
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
