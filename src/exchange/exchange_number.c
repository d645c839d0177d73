#include "exchange/exchange.h"

#include <string.h>

size_t exchange_number_bytes(enum exchange_number type)
{
    return type == EXCHANGE_F64 ? 8 : type == EXCHANGE_F32 ? 4 : 2;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754's binary16: sign, 5 bits of exponent, 10 behind the point; every one is a float. */
static float from_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000U) << 16, exponent = half >> 10 & 31U, fraction = half & 0x3ffU;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000U | fraction << 13);
    if (exponent > 0)
        return from_bits(sign | (exponent + 112U) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24F;
    return sign ? -small : small;
}

static float from_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

static uint64_t little_endian(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

void exchange_floats(enum exchange_number type, const uint8_t *from, size_t n, float *to)
{
    size_t step = exchange_number_bytes(type);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = little_endian(from + i * step, step);
        to[i] = type == EXCHANGE_F32   ? from_bits((uint32_t)bits)
                : type == EXCHANGE_F16 ? from_half((uint32_t)bits)
                : type == EXCHANGE_F64 ? from_double(bits)
                                       : from_bits((uint32_t)bits << 16);
    }
}
