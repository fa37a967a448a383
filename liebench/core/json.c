/* JSON on stdout: every text goes through lb_put_text and every number that may not be finite
 * through lb_put_num. */
#include "lb.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Bytes of the UTF-8 sequence that begins here (RFC 3629); where it is none, `whole` is false and
 * they are what was right until then, at least one: what a reader that goes on behind an error
 * skips (Unicode 15.0, 3.9, U+FFFD). */
static size_t sequence(const unsigned char *at, bool *whole)
{
    unsigned char first = at[0];
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    size_t got = 0;
    for (; got < more && at[got + 1] >= low && at[got + 1] <= high; got++)
        low = 0x80, high = 0xbf;
    *whole = first < 0x80 || (more && got == more);
    return got + 1;
}

void lb_put_text(const char *text)
{
    bool whole;
    size_t length;
    putchar('"');
    for (const unsigned char *at = (const unsigned char *)text; *at; at += length) {
        length = sequence(at, &whole);
        if (!whole)
            fputs("\\ufffd", stdout);
        else if (*at < ' ')
            printf("\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else
            fwrite(at, 1, length, stdout);
    }
    putchar('"');
}

void lb_put_name(const char *name)
{
    lb_put_text(name);
    putchar(':');
}

void lb_put_num(double value, int digits)
{
    if (isfinite(value))
        printf("%.*g", digits, value);
    else
        fputs("null", stdout);
}

void lb_put_int(int64_t value, bool is_known)
{
    if (is_known)
        printf("%" PRId64, value);
    else
        fputs("null", stdout);
}
