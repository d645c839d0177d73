/*
 * summary.h - the numbers that sum up a run, one list for all who store, average or print them
 *
 * A new one is a member of record_summary (record.h) and a line in src/record/summary.c.
 */
#ifndef BRAMBLE_RECORD_SUMMARY_H
#define BRAMBLE_RECORD_SUMMARY_H

#include "record/column.h"
#include "record/record.h"

/* How those of several runs of a case become one. */
enum summary_mean {
    SUMMARY_NO_MEAN, /* it is one run's */
    SUMMARY_MEAN,
    SUMMARY_SPREAD, /* the mean, with a sample standard deviation */
    SUMMARY_SAME,   /* NaN where the runs differ */
    SUMMARY_RUNS,   /* how many they are */
};

/* As what it is printed for people. */
enum summary_shown {
    SUMMARY_PLAIN,
    SUMMARY_PER_CENT,
    SUMMARY_OF_TIME, /* per cent of T_time */
    SUMMARY_MEGA,    /* in millions */
};

/* Who prints it. */
enum summary_list {
    SUMMARY_JSON,        /* of a run or a case (output_summary) */
    SUMMARY_JSON_OF_RUN, /* besides, of bramble train */
    SUMMARY_TRAIN,       /* a line at the end of bramble train, unless it is NaN */
    SUMMARY_COLUMNS,     /* bramble report --format csv and json */
    SUMMARY_TABLE,       /* bramble report: the first table */
    SUMMARY_PARTS,       /* the second: the overhead */
    SUMMARY_LISTS
};

typedef struct summary_number {
    record_column column; /* a double of record_summary */
    uint8_t mean, shown;  /* enum summary_mean, enum summary_shown */
    bool is_count;        /* a whole number */
    /* its place in each list, 0: not there; of one place in the order of all */
    uint8_t at[SUMMARY_LISTS];
    uint8_t digits, width, spread_width; /* behind the point; in a table; that of the deviation */
    const char *title;                   /* in a table */
    const char *line, *line_end;         /* before and behind it in a line */
} summary_number;

/* A number for each member of record_summary, in that order; SUMMARY_COUNT of them. */
enum { SUMMARY_COUNT = sizeof(record_summary) / sizeof(double) };
extern const summary_number summary_numbers[];

/* SUMMARY_IS - is it that member of record_summary? */
#define SUMMARY_IS(number, member) ((number)->column.offset == offsetof(record_summary, member))

/* summary_next - the number of a list behind `before`, which is NULL at first; NULL at the end */
const summary_number *summary_next(enum summary_list list, const summary_number *before);

/* summary_value - the number in a summary;  summary_member - where it is */
double summary_value(const summary_number *self, const record_summary *of);
double *summary_member(const summary_number *self, record_summary *of);

/* summary_show - a value of the number, or its deviation, as people see it; t_time_s: of the same run or case */
double summary_show(const summary_number *self, double value, double t_time_s);

#endif
