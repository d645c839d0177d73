#include "model/outer.h"

const outer_rule outer_none = {
    .name = "none",
    .about = "everyone goes on from the mean",
};
