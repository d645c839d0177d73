#include "study/fit.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* ---- the model's terms -------------------------------------------------------------------------- */

double fit_slowest(int n)
{
    static double known[PLAN_NODES + 1];
    if (n <= PLAN_NODES && known[n] != 0.0)
        return known[n];
    double sum = 0.0, step = 0.02;
    for (int k = 0; n > 1 && k < 700; k++) {
        double x = step * k - 6.0;
        sum += step * x * n * exp(-0.5 * x * x) / sqrt(2.0 * M_PI) *
               pow(0.5 * erfc(-x / sqrt(2.0)), n - 1);
    }
    if (n <= PLAN_NODES)
        known[n] = sum;
    return sum;
}

/* Of how many workers each has a message of each: more agree by way of the server, which takes no longer. */
static double talking(int nodes)
{
    return nodes < 15 ? nodes : 15;
}

/* ---- samples ------------------------------------------------------------------------------------ */

void fit_block_add(fit_block *sum, const fit_block *one)
{
    sum->images += one->images;
    sum->averages += one->averages;
    sum->t_s += one->t_s;
    sum->work_s += one->work_s;
    sum->wait_s += one->wait_s;
    sum->wire_s += one->wire_s;
    sum->pack_s += one->pack_s;
    sum->rest_s += one->rest_s;
    sum->server_pack_s += one->server_pack_s;
}

void fit_sample_all(fit_sample *self, const fit_run *run)
{
    *self = (fit_sample){.run = run};
    for (size_t k = 0; k < run->n_blocks; k++)
        fit_block_add(&self->sum, &run->blocks[k]);
}

void fit_sample_draw(fit_sample *self, const fit_run *runs, size_t n, size_t like, uint64_t number)
{
    uint64_t stream = random_stream(RANDOM_PLAN, 0, (uint32_t)number);
    const fit_run *run = &runs[like];
    for (uint64_t k = 0; k < 32; k++) {
        const fit_run *other = &runs[random_below(0, stream, k, n)];
        if (other->nodes == run->nodes && other->cores == run->cores && other->rule == run->rule) {
            run = other;
            break;
        }
    }
    *self = (fit_sample){.run = run};
    for (size_t k = 0; k < run->n_blocks; k++)
        fit_block_add(&self->sum, &run->blocks[random_below(0, stream, 32 + k, run->n_blocks)]);
}

/* ---- least squares ------------------------------------------------------------------------------ */

/* y = p[0] x[0] + p[1] x[1], sums of the weighted products. */
typedef struct line {
    double xx[2], xz, xy[2];
} line;

static void line_add(line *self, double x, double z, double y)
{
    if (!(y > 0.0))
        return;
    double weight = 1.0 / y;
    self->xx[0] += weight * x * x;
    self->xx[1] += weight * z * z;
    self->xz += weight * x * z;
    self->xy[0] += weight * x * y;
    self->xy[1] += weight * z * y;
}

static double line_one(const line *self, int k)
{
    return self->xx[k] > 0.0 ? self->xy[k] / self->xx[k] : 0.0;
}

/* Neither below 0.  Returns false, p untouched, when the points do not tell one from the other. */
static bool line_fit(const line *self, double p[2])
{
    double area = self->xx[0] * self->xx[1], det = area - self->xz * self->xz;
    if (!(det > 1e-6 * area))
        return false;
    p[0] = (self->xy[0] * self->xx[1] - self->xy[1] * self->xz) / det;
    p[1] = (self->xy[1] * self->xx[0] - self->xy[0] * self->xz) / det;
    for (int k = 0; k < 2; k++)
        if (p[k] < 0.0) {
            p[k] = 0.0;
            p[1 - k] = line_one(self, 1 - k);
        }
    return true;
}

/* ---- the fit ------------------------------------------------------------------------------------ */

static double work_per_image(const fit_sample *s)
{
    return s->sum.work_s * s->run->nodes / s->sum.images;
}

static void fit_work(fit *self, const fit_sample *samples, size_t n, double cores)
{
    double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0, level = 0.0, weights = 0.0;
    for (size_t k = 0; k < n; k++) {
        double c = log(samples[k].run->cores), u = log(work_per_image(&samples[k]));
        x += c / (double)n;
        y += u / (double)n;
        xx += c * c / (double)n;
        xy += c * u / (double)n;
    }
    self->power = xx - x * x > 0.01 ? -(xy - x * y) / (xx - x * x) : 1.0;
    for (size_t k = 0; k < n; k++) {
        double c = log(samples[k].run->cores), far = c - log(cores),
               weight = 1.0 / (far * far + 0.01);
        level += weight * (log(work_per_image(&samples[k])) + self->power * c);
        weights += weight;
    }
    self->w_s = exp(level / weights);
}

static void fit_wire(fit *self, const line *wire, double link_s)
{
    double p[2];
    if (line_fit(wire, p)) {
        self->message_s = p[0];
        self->byte_s = p[1];
    } else { /* all in the bytes, then the link's part of it, and the rest to the messages */
        self->byte_s = line_one(wire, 1);
        if (self->byte_s > link_s) {
            self->message_s = line_one(wire, 0) * (1.0 - link_s / self->byte_s);
            self->byte_s = link_s;
        }
    }
    self->link_byte_s = fmin(self->byte_s, link_s);
}

void fit_make(fit *self, const fit_sample *samples, size_t n, double cores, double link_s)
{
    double wait = 0.0, expected = 0.0, pack = 0.0, adds = 0.0;
    line serve = {0}, wire = {0};
    memset(self, 0, sizeof *self);
    fit_work(self, samples, n, cores);
    for (size_t k = 0; k < n; k++) {
        const fit_block *b = &samples[k].sum;
        const fit_run *run = samples[k].run;
        if (run->nodes > 1 && b->averages > 0.0) {
            wait += b->wait_s;
            expected += b->work_s * fit_slowest(run->nodes);
            pack += fmax(b->server_pack_s, b->pack_s);
            adds += b->averages *
                    average_rule_cost(run->rule, run->n_weights, run->nodes, run->group).adds;
        }
    }
    self->spread = expected > 0.0 ? fmax(wait / expected, 0.0) : 0.0;
    self->add_s = adds > 0.0 ? pack / adds : 0.0;
    for (size_t k = 0; k < n; k++) {
        const fit_block *b = &samples[k].sum;
        const fit_run *run = samples[k].run;
        if (b->averages > 0.0) {
            average_cost d = average_rule_cost(run->rule, run->n_weights, run->nodes, run->group);
            line_add(&serve, 1.0, talking(run->nodes), b->rest_s / b->averages);
            if (run->nodes == 1)
                continue;
            line_add(&wire, d.messages, d.bytes,
                     (b->wire_s + b->pack_s) / b->averages - self->add_s * d.adds);
        }
    }
    if (!line_fit(&serve, self->serve_s))
        self->serve_s[0] = line_one(&serve, 0);
    fit_wire(self, &wire, link_s);
}

fit_time fit_predict(const fit *self, const fit_case *c)
{
    average_cost d = average_rule_cost(c->rule, c->n_weights, c->nodes, c->group);
    double byte_s = self->byte_s - self->link_byte_s + self->link_byte_s / c->link_ratio;
    fit_time t;
    t.work_s = c->images / c->nodes * self->w_s / pow(c->cores, self->power);
    t.wait_s = t.work_s * self->spread * fit_slowest(c->nodes);
    t.serve_s = c->averages * (self->serve_s[0] + self->serve_s[1] * talking(c->nodes));
    t.wire_s = c->averages * (self->message_s * d.messages + byte_s * d.bytes);
    t.pack_s = c->averages * self->add_s * d.adds;
    t.t_s = t.work_s + t.wait_s + t.serve_s + t.wire_s + t.pack_s;
    return t;
}
