/*
 * plain_rule.h - the input rule of all data sets that say nothing of their own
 */
#ifndef BRAMBLE_TESTS_PLAIN_RULE_H
#define BRAMBLE_TESTS_PLAIN_RULE_H

#include "data/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* input_rule_release it */
static inline input_rule plain_rule(image_shape from)
{
    error err = {0};
    input_values values;
    input_rule rule;
    assert_true(input_values_init(&values, from, &err));
    assert_true(input_rule_init(&rule, &values, &err));
    input_values_release(&values);
    return rule;
}

#endif
