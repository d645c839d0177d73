#include "picture_parts.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* Progressive pictures come in some ten scans, each of which goes through all pixels, however short it is. */
enum { MOST_SCANS = 100, EXIF_HEAD_BYTES = 6, MARKER_BYTES = 0xffff, MOST = 255 };

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back; /* the library leaves by it */
    picture *to;
    error *err;
} reader;

/* ---- what the library calls -------------------------------------------------------------------- */

static void give_up(j_common_ptr jpeg)
{
    reader *self = jpeg->client_data;
    char why[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, why);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        error_environment(self->err, "%s: out of memory", self->to->name);
    else
        error_user(self->err, "%s: a damaged JPEG picture (%s)", self->to->name, why);
    longjmp(self->back, 1);
}

/* Warnings: cut off or false data are no picture; oddities that all programs put up with are. */
static void take_warning(j_common_ptr jpeg, int level)
{
    static const int harmless[] = {JWRN_ADOBE_XFORM, JWRN_BOGUS_PROGRESSION, JWRN_EXTRANEOUS_DATA,
                                   JWRN_JFIF_MAJOR, JWRN_NOT_SEQUENTIAL};
    bool passes = level >= 0;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        passes = passes || jpeg->err->msg_code == harmless[i];
    if (!passes)
        give_up(jpeg);
}

static void count_scans(j_common_ptr jpeg)
{
    reader *self = jpeg->client_data;
    if (self->jpeg.input_scan_number <= MOST_SCANS)
        return;
    error_user(self->err, "%s: a JPEG picture of more than %d scans", self->to->name, MOST_SCANS);
    longjmp(self->back, 1);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* ---- the way through ---------------------------------------------------------------------------- */

static void find_turn(reader *self)
{
    static const uint8_t head[EXIF_HEAD_BYTES] = "Exif\0";
    for (jpeg_saved_marker_ptr m = self->jpeg.marker_list; m; m = m->next)
        if (m->data_length > sizeof head && memcmp(m->data, head, sizeof head) == 0) {
            self->to->turn =
                picture_exif(m->data + sizeof head, (size_t)m->data_length - sizeof head);
            return;
        }
}

/* Four inks to three colours; Adobe's programs, and all who follow them, write how much light is left. */
static void mix_inks(const reader *self, const uint8_t *inks, uint8_t *to)
{
    const bool light = self->jpeg.saw_Adobe_marker;
    for (size_t x = 0; x < (size_t)self->to->width; x++, inks += 4)
        for (size_t c = 0; c < 3; c++) {
            int ink = light ? inks[c] : MOST - inks[c], black = light ? inks[3] : MOST - inks[3];
            *to++ = (uint8_t)((ink * black + MOST / 2) / MOST);
        }
}

static void read_rows(reader *self)
{
    struct jpeg_decompress_struct *jpeg = &self->jpeg;
    size_t row_bytes = 3 * (size_t)self->to->width;
    const bool inked = jpeg->out_color_space == JCS_CMYK;
    JSAMPARRAY inks = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE,
                                              4 * (JDIMENSION)self->to->width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = self->to->pixels + jpeg->output_scanline * row_bytes;
        JSAMPROW to = row;
        jpeg_read_scanlines(jpeg, inked ? inks : &to, 1);
        if (inked)
            mix_inks(self, *inks, row);
    }
}

static bool decode(reader *self)
{
    struct jpeg_decompress_struct *jpeg = &self->jpeg;
    if (setjmp(self->back))
        return false;
    jpeg_create_decompress(jpeg);
    jpeg->client_data = self;
    jpeg->progress = &self->progress;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, MARKER_BYTES);
    jpeg_mem_src(jpeg, self->to->data, (unsigned long)self->to->n);
    jpeg_read_header(jpeg, TRUE);
    find_turn(self);
    if (!picture_make(self->to, jpeg->image_height, jpeg->image_width, self->err))
        return false;
    const bool inked = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = inked ? JCS_CMYK : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW; /* the same bits on every machine */
    jpeg_start_decompress(jpeg);
    read_rows(self);
    jpeg_finish_decompress(jpeg);
    return true;
}

bool picture_jpeg(picture *self, error *err)
{
    reader r = {.to = self, .err = err};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r; /* creating it may fail */
    r.errors.error_exit = give_up;
    r.errors.emit_message = take_warning;
    r.errors.output_message = say_nothing;
    r.progress.progress_monitor = count_scans;
    bool good = decode(&r);
    jpeg_destroy_decompress(&r.jpeg);
    return good;
}
