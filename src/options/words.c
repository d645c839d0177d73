#include "words.h"

#include "data/sampler.h"
#include "data/views.h"
#include "model/outer.h"
#include "options/options.h"
#include "transport/average.h"

const char *order_word(size_t i)
{
    static const char *const words[] = {
        [ORDER_SHUFFLE] = "shuffle", [ORDER_SEQUENTIAL] = "sequential"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

const char *deal_word(size_t i)
{
    static const char *const words[] = {[DEAL_AUTO] = "auto",
                                        [DEAL_SHUFFLED] = "shuffled",
                                        [DEAL_CONTIGUOUS] = "contiguous",
                                        [DEAL_ALL] = "all"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

const char *tta_word(size_t i)
{
    return views_names[i];
}

const char *average_word(size_t i)
{
    return average_rules[i] ? average_rules[i]->name : NULL;
}

const char *outer_word(size_t i)
{
    return outer_rules[i] ? outer_rules[i]->name : NULL;
}

const char *preset_word(size_t i)
{
    return i == 0 ? "none" : option_presets[i - 1].name;
}

const char *sync_word(size_t i)
{
    static const char *const words[] = {[SYNC_WEIGHTS] = "weights", [SYNC_GRADIENTS] = "gradients"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

const char *on_nan_word(size_t i)
{
    static const char *const words[] = {[ON_NAN_STOP] = "stop", [ON_NAN_SKIP] = "skip"};
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}
