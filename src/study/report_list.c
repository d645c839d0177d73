#include "report_parts.h"
#include "show/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void report_text(const char *text, int width)
{
    enum { LONGEST = 40 };
    int n = 0;
    for (; (width == 0 || n < LONGEST) && text[n]; n++)
        putchar((unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n]);
    printf("%*s", n < width ? width - n : 0, "");
}

/* ---- a table -------------------------------------------------------------------------------------- */

/* Texts to the left, numbers to the right. */
static void print_cell(const report_column *column, const report_value *value)
{
    double number = value->number * (column->factor != 0.0 ? column->factor : 1.0);
    if (column->kind == REPORT_TEXT)
        report_text(value->text, column->width);
    else if (isnan(number))
        printf("%*s", column->width, "-");
    else
        printf("%*.*f", column->width, column->digits, number);
}

static void print_heads(const report_list *self)
{
    const char *before = "";
    for (size_t j = 0; j < self->n_columns; j++) {
        const report_column *column = &self->columns[j];
        if (column->title && j != self->left_out) {
            printf(column->kind == REPORT_TEXT ? "%s%-*s" : "%s%*s", before, column->width,
                   column->title);
            before = " ";
        }
    }
    putchar('\n');
}

/* ---- CSV ------------------------------------------------------------------------------------------ */

static void print_quoted(const char *text)
{
    bool plain = !text[strcspn(text, ",\"\n\r")];
    if (!plain)
        putchar('"');
    for (; *text; text++)
        printf(*text == '"' ? "\"\"" : "%c", *text);
    if (!plain)
        putchar('"');
}

/* Empty where there is no number, as spreadsheets and pandas expect. */
static void print_csv(const report_column *column, const report_value *value)
{
    if (column->kind == REPORT_TEXT)
        print_quoted(value->text);
    else if (column->kind == REPORT_FLAG)
        fputs(value->number != 0.0 ? "true" : "false", stdout);
    else if (isfinite(value->number))
        printf("%.9g", value->number);
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static json_t *json_of(const report_column *column, const report_value *value)
{
    switch (column->kind) {
    case REPORT_TEXT:
        return json_string(value->text);
    case REPORT_FLAG:
        return json_boolean(value->number != 0.0);
    case REPORT_COUNT: /* a seed may be larger than what a double counts */
        return value->number < 9e15 ? output_count(value->number) : output_number(value->number);
    case REPORT_REAL:
        break;
    }
    return output_number(value->number);
}

/* ---- together ------------------------------------------------------------------------------------- */

void report_list_begin(report_list *self)
{
    if (self->format == REPORT_JSON)
        self->rows = json_array();
    else if (self->format == REPORT_TABLE)
        print_heads(self);
    const char *before = "";
    for (size_t j = 0; self->format == REPORT_CSV && j < self->n_columns; j++)
        if (j != self->left_out) {
            printf("%s%s", before, self->columns[j].name);
            before = ",";
        }
    if (self->format == REPORT_CSV)
        putchar('\n');
}

void report_list_add(report_list *self, const report_value *values)
{
    json_t *row = self->format == REPORT_JSON ? json_object() : NULL;
    bool any = false;
    for (size_t j = 0; j < self->n_columns; j++) {
        const report_column *column = &self->columns[j];
        if (j == self->left_out)
            continue;
        if (self->format == REPORT_JSON) {
            json_object_set_new(row, column->name, json_of(column, &values[j]));
        } else if (self->format == REPORT_CSV) {
            fputs(any ? "," : "", stdout);
            print_csv(column, &values[j]);
        } else if (column->title) {
            fputs(any ? " " : "", stdout);
            print_cell(column, &values[j]);
        }
        any = any || self->format != REPORT_TABLE || column->title;
    }
    if (row)
        json_array_append_new(self->rows, row);
    else
        putchar('\n');
}

bool report_list_end(report_list *self, error *err)
{
    return self->format != REPORT_JSON || output_json(self->rows, stdout, err);
}
