#include "present.h"

#include "base/clock.h"
#include "base/memory.h"
#include "transport/transport.h"

#include <math.h>

/* A word: a bit that no other word has, the last bits of the round's number, and images. */
enum { ROUND_BITS = 20, IMAGES_BITS = 40 };
static const int64_t MARK = INT64_C(1) << 62;
static const double INTERVAL_S = 1.0;

struct present_rank {
    double noted, sent; /* images in this round: in whole segments, and in all as it was sent */
};

bool present_init(present *self, const course *of, error *err)
{
    *self = (present){.round_images = course_images(of), .t_sent_s = clock_now()};
    self->ranks = memory_new((size_t)transport_size(), sizeof *self->ranks, err);
    return self->ranks != NULL;
}

void present_release(present *self)
{
    memory_free(self->ranks);
    self->ranks = NULL;
}

void present_begin(present *self, uint64_t round)
{
    self->round = round;
    for (int k = 0; k < transport_size(); k++)
        self->ranks[k] = (struct present_rank){0};
}

void present_note(present *self, int rank, double images)
{
    self->ranks[rank].noted += images;
}

static int64_t word_of(uint64_t round, double images)
{
    uint64_t short_round = round & ((1U << ROUND_BITS) - 1);
    return MARK | (int64_t)(short_round << IMAGES_BITS) | (int64_t)images;
}

void present_send(present *self, double images)
{
    struct present_rank *mine = &self->ranks[transport_rank()];
    mine->sent = mine->noted + images;
    double now = clock_now();
    if (!transport_is_server() && now - self->t_sent_s >= INTERVAL_S &&
        transport_send_word(word_of(self->round, mine->sent)))
        self->t_sent_s = now;
}

bool present_received(present *self, int rank, int64_t word)
{
    if ((word & MARK) == 0)
        return false;
    int64_t images = word & ((INT64_C(1) << IMAGES_BITS) - 1);
    if (word == word_of(self->round, (double)images)) /* else it comes too late */
        self->ranks[rank].sent = (double)images;
    return true;
}

double present_images(const present *self)
{
    double sum = 0.0;
    for (int k = 0; k < transport_size(); k++)
        sum += fmax(self->ranks[k].noted, self->ranks[k].sent);
    return sum;
}
