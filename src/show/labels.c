#include "show/labels.h"

#include "base/utf8.h"

#include <stdio.h>

enum { COUNT_WIDTH = 7, CLASS_WIDTH = 12, NAME_WIDTH = 16, TEXT_BYTES = 4 * NAME_WIDTH + 1 };

/* At most so many letters, and what is none as ?; returns how many. */
static int cut(const char *text, size_t most, char to[TEXT_BYTES])
{
    size_t n_bytes, n = utf8_count(text, most, &n_bytes);
    snprintf(to, TEXT_BYTES, "%.*s", (int)n_bytes, text);
    utf8_mend(to);
    return (int)n;
}

static int width_of(const char *class)
{
    size_t n_bytes, n = utf8_count(class, CLASS_WIDTH, &n_bytes);
    return n > COUNT_WIDTH ? (int)n : COUNT_WIDTH;
}

void labels_heads(const char *first, const char *const *names, size_t n_classes)
{
    char text[TEXT_BYTES];
    printf("%-*s %8s", NAME_WIDTH, first, "images");
    for (size_t c = 0; c < n_classes; c++) {
        int n = cut(names[c], CLASS_WIDTH, text);
        printf(" %*s%s ", width_of(names[c]) - n, "", text);
    }
    putchar('\n');
}

/* The darker, the more of the worker's images are of the class. */
static char shade(double share)
{
    return share >= 0.5 ? '#' : share >= 0.2 ? '+' : share >= 0.05 ? '.' : ' ';
}

void labels_line(const char *name, const int64_t *counts, const char *const *names,
                 size_t n_classes)
{
    char text[TEXT_BYTES];
    int64_t images = 0;
    for (size_t c = 0; c < n_classes; c++)
        images += counts[c];
    int n = cut(name, NAME_WIDTH, text);
    printf("%s%*s %8lld", text, NAME_WIDTH - n, "", (long long)images);
    for (size_t c = 0; c < n_classes; c++)
        printf(" %*lld%c", width_of(names[c]), (long long)counts[c],
               shade(images > 0 ? (double)counts[c] / (double)images : 0.0));
    putchar('\n');
}
