#include "options/options.h"

#include <string.h>

bool options_checkpoint_interval(const char *text, uint64_t *rounds, double *t_s, error *err)
{
    size_t length = strlen(text);
    char digits[16] = "";
    bool seconds = length > 0 && text[length - 1] == 's';
    uint64_t number = 0;
    if (length < sizeof digits)
        memcpy(digits, text, length - seconds);
    if (!option_whole(digits, 1, 1000000, &number))
        return error_user(err,
                          "--checkpoint-every %.60s: expected a number of rounds, or of seconds "
                          "as in 30s, from 1 to 1000000",
                          text);
    *rounds = seconds ? 0 : number;
    *t_s = seconds ? (double)number : 0.0;
    return true;
}
