/* What Linux's lib/find_bit.c needs of other headers, written anew. */
#ifndef SHIM_LINUX_H
#define SHIM_LINUX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __LINUX_BITMAP_H
#define __LITTLE_ENDIAN 1234
#define BITS_PER_LONG 64
#define BIT_WORD(n) ((n) / BITS_PER_LONG)
#define BITMAP_FIRST_WORD_MASK(start) (~0ul << ((start) % BITS_PER_LONG))
#define BITMAP_LAST_WORD_MASK(bits) (~0ul >> (-(bits) % BITS_PER_LONG))
#define GENMASK(high, low) ((~0ul << (low)) & (~0ul >> (BITS_PER_LONG - 1 - (high))))
#define small_const_nbits(bits) 0
#define unlikely(truth) __builtin_expect(!!(truth), 0)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define round_down(n, m) ((n) / (m) * (m))
#define EXPORT_SYMBOL(name)
#define __ffs(word) ((unsigned long)__builtin_ctzl(word))
#define ffz(word) __ffs(~(word))
#define __fls(word) ((unsigned long)(63 - __builtin_clzl(word)))
#define swab(word) __builtin_bswap64(word)
#define hweight_long(word) ((unsigned long)__builtin_popcountl(word))
static inline unsigned long fns(unsigned long word, unsigned int n) {
    while (word && n--) word &= word - 1;
    return word ? __ffs(word) : BITS_PER_LONG;
}
static inline unsigned long bitmap_get_value8(const unsigned long *map, unsigned long start) {
    return map[start / 64] >> start % 64 & 0xff;
}
#include "linux/find.h"
#endif
