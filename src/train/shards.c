#include "shards.h"

#include "base/memory.h"
#include "data/partition.h"
#include "transport/transport.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Read at a time for each worker, as long as all of it is no more than so many bytes. */
enum { WORKER_IMAGES = 16, PIECE_BYTES = 64 << 20 };

static const uint32_t TO_TEST = UINT32_C(1) << 31;

/* What goes before the images of a parcel; of a size that the receiver knows. */
typedef struct waybill {
    uint32_t n;                     /* images; 0: none are going to come */
    uint32_t clients[SHARDS_PIECE]; /* or, to test with, TO_TEST + the client */
    uint32_t numbers[SHARDS_PIECE];
    uint16_t labels[SHARDS_PIECE];
} waybill;

/* ---- where images arrive -------------------------------------------------------------------------- */

static int by_number(const void *number, const void *element)
{
    const int wanted = *(const int *)number, its = ((const client *)element)->number;
    return wanted < its ? -1 : wanted > its;
}

/* The next n places of a client, in its shard or among what it tests with. */
static dataset places_of(client *who, bool to_test, size_t n)
{
    const dataset *shard = to_test ? &who->tests : &who->shard;
    size_t *there = to_test ? &who->n_tests_there : &who->n_there;
    const size_t first = *there;
    assert(first + n <= shard->n);
    *there += n;
    return (dataset){.shape = shard->shape,
                     .n = n,
                     .images = shard->images + first * image_bytes(shard->shape),
                     .labels = shard->labels + first,
                     .numbers = shard->numbers + first};
}

/* To each client its own. */
static void put_away(const worker *at, const waybill *bill, const uint8_t *images)
{
    const size_t bytes = image_bytes(at->images.shape);
    for (size_t i = 0; i < bill->n; i++) {
        const int number = (int)(bill->clients[i] & ~TO_TEST);
        client *who =
            bsearch(&number, at->clients, (size_t)at->n_clients, sizeof *at->clients, by_number);
        assert(who);
        const dataset place = places_of(who, (bill->clients[i] & TO_TEST) != 0, 1);
        memcpy(place.images, images + i * bytes, bytes);
        *place.labels = bill->labels[i];
        *place.numbers = bill->numbers[i];
    }
}

/* ---- the server ----------------------------------------------------------------------------------- */

typedef struct delivery {
    const shards_plan *plan;
    const worker *own; /* a server that is also the worker; else NULL */
    size_t first, n;   /* the piece: of the training set */
    dataset piece;     /* its images */
    dataset parcel;    /* those of a worker among them */
    waybill bill;
} delivery;

/* Whose is the i-th of the piece, as a waybill says it? */
static uint32_t addressee(const delivery *self, size_t i)
{
    const shards_plan *plan = self->plan;
    const uint32_t owner = plan->owner[self->first + i];
    if (owner != PARTITION_NOBODY || !plan->tester)
        return owner;
    const uint32_t tester = plan->tester[self->first + i];
    return tester != PARTITION_NOBODY ? TO_TEST | tester : PARTITION_NOBODY;
}

static bool is_dealt(const delivery *self, size_t i)
{
    return addressee(self, i) != PARTITION_NOBODY;
}

/* The worker that it goes to; -1: nobody. */
static int worker_of(const delivery *self, size_t i)
{
    return is_dealt(self, i) ? self->plan->on->worker[addressee(self, i) & ~TO_TEST] : -1;
}

/* Runs of images with an owner. */
static void add_to_sum(const delivery *self, const dataset *piece)
{
    for (size_t i = 0, end; i < self->n; i = end + 1) {
        for (end = i; end < self->n && is_dealt(self, end); end++)
            ;
        data_checksum_add(self->plan->sum, piece->shape,
                          piece->images + i * image_bytes(piece->shape), piece->labels + i,
                          end - i);
    }
}

static void count_labels(const delivery *self, const dataset *piece)
{
    const size_t n_classes = (size_t)piece->shape.n_classes;
    const uint32_t *owner = self->plan->owner + self->first;
    for (size_t i = 0; i < self->n; i++)
        if (owner[i] != PARTITION_NOBODY)
            self->plan->labels[owner[i] * n_classes + piece->labels[i]]++;
}

static void deliver_parcel(delivery *self, int to)
{
    const size_t n_bytes = self->bill.n * image_bytes(self->parcel.shape);
    if (self->own)
        put_away(self->own, &self->bill, self->parcel.images);
    else if (self->bill.n > 0) {
        transport_send(&self->bill, sizeof self->bill, to + 1, TRANSPORT_SLEEP);
        transport_send(self->parcel.images, n_bytes, to + 1, TRANSPORT_SLEEP);
    }
    self->bill.n = 0;
}

/* The images of a worker's clients in the piece, one behind the other. */
static void deliver_to(delivery *self, int to)
{
    const size_t bytes = image_bytes(self->piece.shape);
    waybill *bill = &self->bill;
    for (size_t i = 0; i < self->n; i++) {
        if (worker_of(self, i) != to)
            continue;
        if (bill->n == SHARDS_PIECE)
            deliver_parcel(self, to);
        memcpy(self->parcel.images + bill->n * bytes, self->piece.images + i * bytes, bytes);
        bill->clients[bill->n] = addressee(self, i);
        bill->labels[bill->n] = self->piece.labels[i];
        bill->numbers[bill->n++] = (uint32_t)(self->first + i);
    }
    deliver_parcel(self, to);
}

/* Is the whole piece that of one client, which is here? */
static bool is_at_home(const delivery *self)
{
    bool all = self->own && self->own->n_clients == 1;
    for (size_t i = 0; i < self->n && all; i++)
        all = self->plan->owner[self->first + i] != PARTITION_NOBODY;
    return all;
}

/* Where it can it is read where it belongs. */
static bool deliver_piece(delivery *self, error *err)
{
    const bool at_home = is_at_home(self);
    const dataset to = at_home ? places_of(self->own->clients, false, self->n) : self->piece;
    if (!source_read(self->plan->from, SPLIT_TRAIN, self->first, self->n, to.images, to.labels,
                     err))
        return false;
    for (size_t i = 0; i < self->n && at_home; i++)
        to.numbers[i] = (uint32_t)(self->first + i);
    add_to_sum(self, &to);
    count_labels(self, &to);
    for (int k = 0; k < self->plan->on->n_workers && !at_home; k++)
        deliver_to(self, k);
    return true;
}

/* In place of images: none are going to come. */
static void give_up(delivery *self, size_t n)
{
    self->bill.n = 0;
    self->n = n - self->first;
    for (int k = 0; !self->own && k < self->plan->on->n_workers; k++) {
        size_t i = 0;
        while (i < self->n && worker_of(self, i) != k)
            i++;
        if (i < self->n)
            transport_send(&self->bill, sizeof self->bill, k + 1, TRANSPORT_SLEEP);
    }
}

/* Of a thousand workers each would get an image of so few: a message for each takes longer than the image. */
static size_t piece_images(image_shape shape)
{
    const size_t most = PIECE_BYTES / image_bytes(shape);
    size_t n = WORKER_IMAGES * (size_t)transport_workers();
    n = n < most ? n : most;
    return n > SHARDS_PIECE ? n : SHARDS_PIECE;
}

/* Up to the last one that goes to somebody: nobody waits for more. */
static size_t dealt_images(const delivery *self)
{
    size_t n = self->plan->n;
    while (n > 0 && !is_dealt(self, n - 1))
        n--;
    return n;
}

static void serve(const shards_plan *plan, const worker *own, error *err)
{
    const image_shape shape = source_shape(plan->from);
    const size_t piece = piece_images(shape);
    delivery d = {.plan = plan, .own = own};
    const size_t n = dealt_images(&d);
    bool good = dataset_init(&d.piece, shape, piece, err) &&
                dataset_init(&d.parcel, shape, SHARDS_PIECE, err);
    for (; good && d.first < n; d.first += d.n) {
        d.n = n - d.first < piece ? n - d.first : piece;
        if (!(good = deliver_piece(&d, err)))
            break;
    }
    if (!good)
        give_up(&d, n);
    dataset_release(&d.piece);
    dataset_release(&d.parcel);
}

/* ---- all images to everybody --------------------------------------------------------------------- */

/* Of a piece those that are dealt, one behind the other. */
static void pack(delivery *self)
{
    const size_t bytes = image_bytes(self->piece.shape);
    self->bill.n = 0;
    for (size_t i = 0; i < self->n; i++) {
        if (!is_dealt(self, i))
            continue;
        const uint32_t k = self->bill.n++;
        memmove(self->piece.images + k * bytes, self->piece.images + i * bytes, bytes);
        self->bill.labels[k] = self->piece.labels[i];
        self->bill.numbers[k] = (uint32_t)(self->first + i);
    }
}

/* Each has all labels. */
static void count_for_all(const delivery *self)
{
    const size_t n_classes = (size_t)self->piece.shape.n_classes;
    for (int k = 0; k < self->plan->on->n_clients; k++)
        for (size_t i = 0; i < self->bill.n; i++)
            self->plan->labels[(size_t)k * n_classes + self->bill.labels[i]]++;
}

static void broadcast_all(const shards_plan *plan, error *err)
{
    delivery d = {.plan = plan};
    const size_t n = dealt_images(&d);
    bool good = dataset_init(&d.piece, source_shape(plan->from), SHARDS_PIECE, err);
    for (; good && d.first < n; d.first += d.n) {
        d.n = n - d.first < SHARDS_PIECE ? n - d.first : SHARDS_PIECE;
        if (!(good = source_read(plan->from, SPLIT_TRAIN, d.first, d.n, d.piece.images,
                                 d.piece.labels, err)))
            break;
        add_to_sum(&d, &d.piece);
        pack(&d);
        if (d.bill.n == 0)
            continue;
        count_for_all(&d);
        transport_broadcast(&d.bill, sizeof d.bill, 0, TRANSPORT_SLEEP);
        transport_broadcast(d.piece.images, d.bill.n * image_bytes(d.piece.shape), 0,
                            TRANSPORT_SLEEP);
    }
    d.bill.n = 0;
    if (!good)
        transport_broadcast(&d.bill, sizeof d.bill, 0, TRANSPORT_SLEEP);
    dataset_release(&d.piece);
}

static bool nothing_comes(error *err)
{
    return error_environment(err, "the server could not read the training images");
}

static bool receive_all(worker *mine, error *err)
{
    const size_t bytes = image_bytes(mine->images.shape);
    waybill bill;
    for (size_t done = 0; done < mine->images.n; done += bill.n) {
        transport_broadcast(&bill, sizeof bill, 0, TRANSPORT_SLEEP);
        if (bill.n == 0) /* the server has the error */
            return nothing_comes(err);
        const dataset place = places_of(mine->clients, false, bill.n);
        transport_broadcast(place.images, bill.n * bytes, 0, TRANSPORT_SLEEP);
        memcpy(place.labels, bill.labels, bill.n * sizeof *bill.labels);
        memcpy(place.numbers, bill.numbers, bill.n * sizeof *bill.numbers);
    }
    return true;
}

/* ---- a worker ------------------------------------------------------------------------------------- */

static bool receive(worker *mine, error *err)
{
    const size_t bytes = image_bytes(mine->images.shape);
    waybill bill;
    for (size_t done = 0; done < mine->images.n + mine->tests.n; done += bill.n) {
        transport_receive(&bill, sizeof bill, 0, TRANSPORT_SLEEP);
        if (bill.n == 0) /* the server has the error */
            return nothing_comes(err);
        transport_receive(mine->parcel, bill.n * bytes, 0, TRANSPORT_SLEEP);
        put_away(mine, &bill, mine->parcel);
    }
    return true;
}

void shards_deliver(const shards_plan *plan, worker *to, error *err)
{
    const bool all = plan->on->shares;
    if (transport_is_server())
        (all ? broadcast_all(plan, err) : serve(plan, to, err));
    else
        (void)(all ? receive_all(to, err) : receive(to, err));
    if (to) {
        memory_free(to->parcel);
        to->parcel = NULL;
    }
}
