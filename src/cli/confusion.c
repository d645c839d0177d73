#include "confusion.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>

enum { NAME_WIDTH = 12 };

static int64_t count(const confusion *self, int row, int column)
{
    return self->counts[(size_t)row * (size_t)self->n + (size_t)column];
}

/* Share of class c recognised; NaN when the set has none of it. */
static double class_accuracy(const confusion *self, int c)
{
    int64_t sum = 0;
    for (int k = 0; k < self->n; k++)
        sum += count(self, c, k);
    return sum > 0 ? (double)count(self, c, c) / (double)sum : NAN;
}

static void print_accuracy(double accuracy)
{
    if (isnan(accuracy))
        printf("%8s ", "-");
    else
        printf("%6.1f %% ", 100.0 * accuracy);
}

void confusion_print(const confusion *self)
{
    printf("%-*s %8s   confusion: rows are true classes, columns what the model said\n", NAME_WIDTH,
           "class", "accuracy");
    for (int c = 0; c < self->n; c++) {
        size_t n_bytes, n = utf8_count(self->name(self->of, c), NAME_WIDTH, &n_bytes);
        printf("%.*s%*s ", (int)n_bytes, self->name(self->of, c), NAME_WIDTH - (int)n, "");
        print_accuracy(class_accuracy(self, c));
        for (int k = 0; k < self->n; k++)
            printf(" %5lld", (long long)count(self, c, k));
        putchar('\n');
    }
}

void confusion_put(const confusion *self, json_t *to)
{
    json_t *classes = json_object(), *rows = json_array();
    for (int c = 0; c < self->n; c++) {
        json_t *row = json_array();
        for (int k = 0; k < self->n; k++)
            json_array_append_new(row, json_integer(count(self, c, k)));
        json_array_append_new(rows, row);
        json_object_set_new(classes, self->name(self->of, c),
                            output_number(class_accuracy(self, c)));
    }
    json_object_set_new(to, "class_accuracy", classes);
    json_object_set_new(to, "confusion", rows);
}
