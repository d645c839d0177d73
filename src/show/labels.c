#include "show/labels.h"

#include <stdio.h>
#include <string.h>

enum { COUNT_WIDTH = 7, CLASS_WIDTH = 12, NAME_WIDTH = 16 };

/* At most so many bytes, none of them a control character. */
static void cut(const char *text, size_t most, char to[NAME_WIDTH + 1])
{
    size_t n = 0;
    for (; n < most && text[n]; n++)
        to[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n];
    to[n] = '\0';
}

static int width_of(const char *class)
{
    const int n = (int)strnlen(class, CLASS_WIDTH);
    return n > COUNT_WIDTH ? n : COUNT_WIDTH;
}

void labels_heads(const char *first, const char *const *names, size_t n_classes)
{
    char text[NAME_WIDTH + 1];
    printf("%-*s %8s", NAME_WIDTH, first, "images");
    for (size_t c = 0; c < n_classes; c++) {
        cut(names[c], CLASS_WIDTH, text);
        printf(" %*s ", width_of(names[c]), text);
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
    char text[NAME_WIDTH + 1];
    int64_t images = 0;
    for (size_t c = 0; c < n_classes; c++)
        images += counts[c];
    cut(name, NAME_WIDTH, text);
    printf("%-*s %8lld", NAME_WIDTH, text, (long long)images);
    for (size_t c = 0; c < n_classes; c++)
        printf(" %*lld%c", width_of(names[c]), (long long)counts[c],
               shade(images > 0 ? (double)counts[c] / (double)images : 0.0));
    putchar('\n');
}
