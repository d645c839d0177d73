#include "base/memory.h"
#include "base/utf8.h"
#include "predict_parts.h"
#include "show/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool predict_print_init(predict_print *self, const predict_options *options,
                        const predict_names *names, error *err)
{
    *self = (predict_print){.options = options, .names = names};
    self->shares = memory_new((size_t)names->n, sizeof *self->shares, err);
    self->order = memory_new((size_t)names->n, sizeof *self->order, err);
    if (!self->shares || !self->order)
        return false;
    if (options->csv)
        puts("picture,rank,class,probability");
    return true;
}

void predict_print_end(predict_print *self)
{
    if (self->options->json)
        puts(self->n > 0 ? "\n]" : "[]");
}

void predict_print_release(predict_print *self)
{
    memory_free(self->shares);
    memory_free(self->order);
}

/* ---- in three forms ------------------------------------------------------------------------------- */

static void print_text(const char *text)
{
    for (; *text; text++) /* names of files may hold anything */
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void print_line(const predict_print *self, const char *name, int n)
{
    enum { COLUMN = 24 };
    print_text(name);
    size_t n_bytes, letters = utf8_count(name, COLUMN, &n_bytes);
    printf("%*s", COLUMN - (int)letters, "");
    for (int i = 0; i < n; i++) {
        int c = self->order[i];
        printf("  %s %.2f %%", self->names->names[c], 100.0 * self->shares[c]);
    }
    putchar('\n');
}

/* RFC 4180: what has a comma, a quote or a line break stands in quotes. */
static void print_field(const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_rows(const predict_print *self, const char *name, int n)
{
    for (int i = 0; i < n; i++) {
        print_field(name);
        printf(",%d,", i + 1);
        print_field(self->names->names[self->order[i]]);
        printf(",%.9g\n", self->shares[self->order[i]]);
    }
}

/* JSON is UTF-8; what is none of it is shown by ? */
static json_t *text_of(const char *text)
{
    char copy[OPTION_TEXT_BYTES];
    json_t *string = json_string(text);
    if (string)
        return string;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        *at = *at & 0x80 ? '?' : *at;
    return json_string(copy);
}

/* A line of the array, which is never held as a whole. */
static void print_object(predict_print *self, json_t *object)
{
    fputs(self->n++ == 0 ? "[\n" : ",\n", stdout);
    json_dumpf(object, stdout, JSON_REAL_PRECISION(12)); /* output_finish sees failures */
    json_decref(object);
}

static void print_json(predict_print *self, const char *name, int n)
{
    json_t *object = json_object(), *classes = json_array();
    for (int i = 0; i < n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "class", text_of(self->names->names[self->order[i]]));
        json_object_set_new(one, "probability", output_number(self->shares[self->order[i]]));
        json_array_append_new(classes, one);
    }
    json_object_set_new(object, "picture", text_of(name));
    json_object_set_new(object, "classes", classes);
    print_object(self, object);
}

/* ---- pictures -------------------------------------------------------------------------------------- */

static int by_share(const void *a, const void *b, void *shares)
{
    int i = *(const int *)a, k = *(const int *)b;
    const double *of = shares;
    if (of[i] != of[k])
        return of[i] > of[k] ? -1 : 1;
    return i - k;
}

void predict_print_picture(predict_print *self, const predictor *by, size_t k, const char *name)
{
    const predict_options *o = self->options;
    const int all = self->names->n, n = o->top < (uint64_t)all ? (int)o->top : all;
    predictor_shares(by, k, self->shares);
    for (int c = 0; c < all; c++)
        self->order[c] = c;
    qsort_r(self->order, (size_t)all, sizeof *self->order, by_share, self->shares);
    if (o->json)
        print_json(self, name, n);
    else if (o->csv)
        print_rows(self, name, n);
    else
        print_line(self, name, n);
}

void predict_print_bad(predict_print *self, const char *name, const error *err)
{
    if (!self->options->json)
        return;
    json_t *object = json_object();
    json_object_set_new(object, "picture", text_of(name));
    json_object_set_new(object, "error", text_of(err->text));
    print_object(self, object);
}
