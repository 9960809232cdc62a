#include "base/utf8.h"

#include <stdbool.h>

/* What may follow each lead byte: the second byte's range rules out overlong
 * forms, surrogates and what lies above U+10FFFF. */
struct utf8_row {
    unsigned char first_low, first_high, second_low, second_high;
    size_t size;
};

static const struct utf8_row utf8_rows[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool
utf8_fits(const struct utf8_row *row, const unsigned char *bytes, size_t size)
{
    if (size < row->size || bytes[1] < row->second_low ||
        bytes[1] > row->second_high) {
        return false;
    }
    for (size_t i = 2; i < row->size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

size_t
utf8_size(const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;

    if (size == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        const struct utf8_row *row = &utf8_rows[i];
        if (at[0] >= row->first_low && at[0] <= row->first_high) {
            return utf8_fits(row, at, size) ? row->size : 0;
        }
    }
    return 0;
}

size_t
utf8_count(const char *bytes, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++) {
        count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    }
    return count;
}
