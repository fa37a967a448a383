/* Arguments: strict key=value. A misspelt key that is silently ignored would be a measurement of
 * something else. */
#include "lb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct lb_key COMMON[] = {
    {"cpu", 'i', 0, LB_MAX_CPU, -1, NULL},
    {"ops", 'i', 1, LB_MAX_OPS, 0, NULL},
    {"samples", 'i', 1, LB_MAX_SAMPLES, 0, NULL},
    {"plant_ns", 'f', 0, 1e9, 0, NULL},
    {"plant_work", 'f', 0, 1e9, 0, NULL},
    {"plant_share", 'f', 0, 100, 0, NULL},
    {"sentinel", 'i', 0, 1, 1, NULL},
    {"calibrate", 'i', 0, 1, 0, NULL},
    {"target_ns", 'f', 1e3, 1e9, 1e6, NULL},
    {"limit_s", 'i', 1, 3600, 60, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void add_keys(struct lb_run *run, const struct lb_key *keys)
{
    for (; keys && keys->name; keys++) {
        if (run->key_count == LB_KEYS)
            lb_fail("kernel %s declares too many keys", run->kernel->name);
        run->values[run->key_count] = keys->fallback;
        run->keys[run->key_count++] = *keys;
    }
}

static int find(const struct lb_run *run, const char *name, size_t length)
{
    for (int i = 0; i < run->key_count; i++)
        if (strlen(run->keys[i].name) == length && memcmp(run->keys[i].name, name, length) == 0)
            return i;
    return -1;
}

static int known(const struct lb_run *run, const char *name)
{
    int i = find(run, name, strlen(name));
    if (i < 0)
        lb_fail("kernel %s asks for the undeclared key %s", run->kernel->name, name);
    return i;
}

bool lb_given(const struct lb_run *run, const char *key)
{
    return run->texts[known(run, key)] != NULL;
}
double lb_num(const struct lb_run *run, const char *key) { return run->values[known(run, key)]; }
int64_t lb_int(const struct lb_run *run, const char *key) { return (int64_t)lb_num(run, key); }
const char *lb_text(const struct lb_run *run, const char *key)
{
    return run->texts[known(run, key)];
}

static double number(const struct lb_key *key, const char *text)
{
    char *end;
    /* strtod alone would take "nan", "inf", hexadecimal and leading blanks */
    if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
        lb_usage("%s=%s is not a number", key->name, text);
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value))
        lb_usage("%s=%s is not a number", key->name, text);
    if (value < key->low || value > key->high)
        lb_usage("%s=%s is out of bounds: %.17g to %.17g", key->name, text, key->low, key->high);
    if (key->type == 'i' && value != floor(value))
        lb_usage("%s=%s is not a whole number", key->name, text);
    return value;
}

static double word(const struct lb_key *key, const char *text)
{
    size_t length = strlen(text);
    int index = 0;
    for (const char *at = key->words; *at; index++) {
        size_t width = strcspn(at, " ");
        if (width == length && memcmp(at, text, length) == 0)
            return index;
        at += width + (at[width] == ' ');
    }
    lb_usage("%s=%s is not known: one of %s", key->name, text, key->words);
}

static void take(struct lb_run *run, const char *argument)
{
    const char *sign = strchr(argument, '=');
    for (const char *c = argument; *c; c++)
        if (*c < ' ' || *c > '~')
            lb_usage("an argument of %s holds a byte that is not printable ASCII",
                     run->kernel->name);
    if (!sign)
        lb_usage("\"%s\" is not key=value", argument);
    int i = find(run, argument, (size_t)(sign - argument));
    if (i < 0)
        lb_usage("%s has no key \"%.*s\"", run->kernel->name, (int)(sign - argument), argument);
    if (run->texts[i])
        lb_usage("%s is given twice", run->keys[i].name);
    const char *text = run->texts[i] = sign + 1;
    run->given[run->given_count++] = i;
    if (run->keys[i].type == 'w')
        run->values[i] = word(&run->keys[i], text);
    else if (run->keys[i].type != 's')
        run->values[i] = number(&run->keys[i], text);
}

/* A plant that is asked for and not planted would look like a lie that was not found. */
static void check_plants(const struct lb_run *run)
{
    unsigned flags = run->kernel->flags;
    bool time = lb_num(run, "plant_ns") > 0;
    bool work = lb_num(run, "plant_work") > 0, share = lb_num(run, "plant_share") > 0;
    if (time && !(flags & LB_PLANTS))
        lb_usage("%s takes no plant_ns", run->kernel->name);
    if ((flags & LB_BATCHED) == LB_BATCHED) {
        if (time + work + share > 1)
            lb_usage("plant_ns, plant_work and plant_share exclude each other");
        return;
    }
    if (work || share)
        lb_usage("%s takes no %s", run->kernel->name, work ? "plant_work" : "plant_share");
    if (lb_int(run, "calibrate"))
        lb_usage("%s is not batched: there is nothing to calibrate", run->kernel->name);
}

/* Reads all arguments of run->kernel; ends with usage (exit 2) at the first that cannot be
 * understood. */
void lb_parse(struct lb_run *run, int argc, char **argv)
{
    add_keys(run, COMMON);
    run->values[find(run, "ops", 3)] = run->kernel->ops;
    run->values[find(run, "samples", 7)] = run->kernel->samples;
    add_keys(run, run->kernel->keys);
    for (int i = 0; i < argc; i++)
        take(run, argv[i]);
    check_plants(run);
    run->ops = lb_int(run, "ops");
    run->samples = lb_int(run, "samples");
    run->plant_work = lb_num(run, "plant_work");
    run->plant_share = lb_num(run, "plant_share");
}
