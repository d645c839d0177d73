#include "shards.h"

#include "base/memory.h"
#include "data/partition.h"
#include "transport/transport.h"

#include <assert.h>
#include <string.h>

/* Sent at a time, at most; read at a time for each worker, as long as all of it is no more than so many bytes. */
enum { PARCEL_IMAGES = 1024, WORKER_IMAGES = 16, PIECE_BYTES = 64 << 20 };

/* What goes before the images of a parcel; of a size that the receiver knows. */
typedef struct waybill {
    uint32_t n; /* images; 0: none are going to come */
    uint32_t numbers[PARCEL_IMAGES];
    uint16_t labels[PARCEL_IMAGES];
} waybill;

/* On the server. */
typedef struct delivery {
    source *from;
    const uint32_t *owner;
    size_t first, n; /* the piece: of the training set */
    dataset piece;   /* its images */
    dataset parcel;  /* those of a worker among them */
    dataset *own;    /* of a server that is also the worker, else NULL */
    size_t n_own;    /* of its images that are there */
    int64_t *labels; /* [rank][class] images that are dealt */
    waybill bill;
} delivery;

static dataset part_of(const dataset *set, size_t first, size_t n)
{
    assert(first + n <= set->n);
    return (dataset){.shape = set->shape,
                     .n = n,
                     .images = set->images + first * image_bytes(set->shape),
                     .labels = set->labels + first,
                     .numbers = set->numbers + first};
}

static size_t count_of(const delivery *self, uint32_t worker)
{
    size_t n = 0;
    for (size_t i = 0; i < self->n; i++)
        n += self->owner[self->first + i] == worker;
    return n;
}

/* The images of a worker in the piece, one behind the other. */
static void pack(const delivery *self, const dataset *piece, uint32_t worker, dataset *to)
{
    size_t bytes = image_bytes(piece->shape), n = 0;
    for (size_t i = 0; i < self->n; i++)
        if (self->owner[self->first + i] == worker) {
            memcpy(to->images + n * bytes, piece->images + i * bytes, bytes);
            to->labels[n] = piece->labels[i];
            to->numbers[n++] = piece->numbers[i];
        }
}

/* Runs of images with an owner. */
static void add_to_sum(const delivery *self, const dataset *piece, data_checksum *sum)
{
    const uint32_t *owner = self->owner + self->first;
    for (size_t i = 0, end; i < self->n; i = end + 1) {
        for (end = i; end < self->n && owner[end] != PARTITION_NOBODY; end++)
            ;
        data_checksum_add(sum, piece->shape, piece->images + i * image_bytes(piece->shape),
                          piece->labels + i, end - i);
    }
}

static void count_labels(const delivery *self, const dataset *piece)
{
    const size_t n_classes = (size_t)piece->shape.n_classes, first = self->own ? 0 : 1;
    for (size_t i = 0; i < self->n; i++)
        if (self->owner[self->first + i] != PARTITION_NOBODY)
            self->labels[(first + self->owner[self->first + i]) * n_classes + piece->labels[i]]++;
}

static void send_parcel(waybill *bill, const dataset *parcel, int to)
{
    bill->n = (uint32_t)parcel->n;
    memcpy(bill->numbers, parcel->numbers, parcel->n * sizeof *parcel->numbers);
    memcpy(bill->labels, parcel->labels, parcel->n * sizeof *parcel->labels);
    transport_send(bill, sizeof *bill, to, TRANSPORT_SLEEP);
    transport_send(parcel->images, parcel->n * image_bytes(parcel->shape), to, TRANSPORT_SLEEP);
}

static void send_images(delivery *self, const dataset *all, int to)
{
    for (size_t first = 0, n; first < all->n; first += n) {
        n = all->n - first < PARCEL_IMAGES ? all->n - first : PARCEL_IMAGES;
        const dataset parcel = part_of(all, first, n);
        send_parcel(&self->bill, &parcel, to);
    }
}

/* Where a whole piece is one worker's, it need not be packed, nor copied to one that is here. */
static bool deliver_piece(delivery *self, data_checksum *sum, error *err)
{
    bool all_own = self->own && count_of(self, 0) == self->n;
    dataset piece =
        all_own ? part_of(self->own, self->n_own, self->n) : part_of(&self->piece, 0, self->n);
    if (!source_read(self->from, SPLIT_TRAIN, self->first, self->n, piece.images, piece.labels,
                     err))
        return false;
    for (size_t i = 0; i < self->n; i++)
        piece.numbers[i] = (uint32_t)(self->first + i);
    add_to_sum(self, &piece, sum);
    count_labels(self, &piece);
    for (uint32_t k = 0; k < (uint32_t)transport_workers(); k++) {
        size_t n = count_of(self, k);
        dataset parcel =
            self->own ? part_of(self->own, self->n_own, n) : part_of(&self->parcel, 0, n);
        if (n > 0 && n < self->n)
            pack(self, &piece, k, &parcel);
        if (self->own)
            self->n_own += n;
        else if (n > 0)
            send_images(self, n < self->n ? &parcel : &piece, (int)k + 1);
    }
    return true;
}

/* In place of images: none are going to come. */
static void give_up(delivery *self, size_t n)
{
    self->bill.n = 0;
    for (uint32_t k = 0; !self->own && k < (uint32_t)transport_workers(); k++) {
        size_t i = self->first;
        while (i < n && self->owner[i] != k)
            i++;
        if (i < n)
            transport_send(&self->bill, sizeof self->bill, (int)k + 1, TRANSPORT_SLEEP);
    }
}

/* Of a thousand workers each would get an image of so few: a message for each takes longer than the image. */
static size_t piece_images(image_shape shape)
{
    const size_t most = PIECE_BYTES / image_bytes(shape);
    size_t n = WORKER_IMAGES * (size_t)transport_workers();
    n = n < most ? n : most;
    return n > PARCEL_IMAGES ? n : PARCEL_IMAGES;
}

static void serve(source *from, const uint32_t *owner, size_t n, dataset *own, int64_t *labels,
                  data_checksum *sum, error *err)
{
    image_shape shape = source_shape(from);
    const size_t piece = piece_images(shape);
    delivery d = {.from = from, .owner = owner, .own = own, .labels = labels};
    while (n > 0 && owner[n - 1] == PARTITION_NOBODY)
        n--;
    bool good = dataset_init(&d.piece, shape, piece, err) &&
                (own || dataset_init(&d.parcel, shape, piece, err));
    for (; good && d.first < n; d.first += d.n) {
        d.n = n - d.first < piece ? n - d.first : piece;
        if (!(good = deliver_piece(&d, sum, err)))
            break;
    }
    if (!good)
        give_up(&d, n);
    dataset_release(&d.piece);
    dataset_release(&d.parcel);
}

static bool receive(dataset *mine, error *err)
{
    waybill bill;
    for (size_t done = 0; done < mine->n; done += bill.n) {
        transport_receive(&bill, sizeof bill, 0, TRANSPORT_SLEEP);
        if (bill.n == 0) /* the server has the error */
            return error_environment(err, "the server could not read the training images");
        dataset part = part_of(mine, done, bill.n);
        memcpy(part.numbers, bill.numbers, bill.n * sizeof *part.numbers);
        memcpy(part.labels, bill.labels, bill.n * sizeof *part.labels);
        transport_receive(part.images, bill.n * image_bytes(part.shape), 0, TRANSPORT_SLEEP);
    }
    return true;
}

void shards_deliver(source *from, const uint32_t *owner, size_t n, dataset *mine, int64_t *labels,
                    data_checksum *sum, error *err)
{
    if (transport_is_server())
        serve(from, owner, n, mine, labels, sum, err);
    else
        receive(mine, err);
}
