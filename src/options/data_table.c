#include "options/options.h"
#include "words.h"

#define DATA(field) OPTION_BIND(data_options, field)

const option_entry option_data_table[] = {
    {.name = "seed",
     DATA(seed),
     .most = OPTION_MAX_SEED,
     .initial = "1",
     .metavar = "S",
     .group = "Options:",
     .help = "Seed of the synthetic images, and of what partition draws."},
    {.name = "workers",
     DATA(workers),
     .least = 1,
     .most = 1000000,
     .initial = "4",
     .metavar = "N",
     .help = "partition: how many workers share the images."},
    {.name = "partition",
     DATA(partition),
     .least = 1,
     .initial = "even",
     .metavar = "RULE[:NUMBER]",
     .help = "partition: who gets what, as train's option."},
    {.name = "deal",
     DATA(deal),
     .word = deal_word,
     .initial = "shuffled",
     .help = "partition: in which order images are dealt, as train's option."},
    {.name = "json", DATA(json), .initial = "false", .help = "info, partition: print JSON."},
    {.name = "force", DATA(force), .initial = "false", .help = "pack: replace an existing file."},
    {.name = NULL},
};
