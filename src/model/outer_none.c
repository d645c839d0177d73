#include "model/outer.h"

/* Everyone goes on from the mean. */
const outer_rule outer_none = {
    .name = "none",
};
