/* Plain C: a bitmap that is scanned word by word, decoded by ctz or, with AVX512, by compression. */
#include "shim.h"
#if AVX512
#include <immintrin.h>
#define NAME "plain-c-avx512"
#else
#define NAME "plain-c"
#endif

struct bitmap { uint64_t words; uint64_t word[]; };

static void *create(uint64_t pages) {
    uint64_t words = (pages + 63) / 64;
    struct bitmap *self = malloc(sizeof *self + 8 * words);
    if (!self) return NULL;
    self->words = words;
    memset(self->word, 0, 8 * words); /* written, so that no epoch meets a page never touched */
    return self;
}
static void destroy(void *self) { free(self); }
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    uint64_t *word = ((struct bitmap *)p)->word;
    for (uint64_t i = 0; i < n; i++) word[frames[i] / 64] |= 1ull << frames[i] % 64;
}
#if AVX512
/* Write all frames of a word; eight entries beyond the last may be written, all within room. */
static inline uint64_t spread(uint64_t bits, uint64_t first, uint64_t *out) {
    const __m512i steps = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    uint64_t found = 0;
    for (int part = 0; part < 64; part += 8) {
        __mmask8 mask = (__mmask8)(bits >> part);
        __m512i frames = _mm512_add_epi64(_mm512_set1_epi64((long long)first + part), steps);
        _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi64(mask, frames));
        found += (uint64_t)__builtin_popcount(mask);
    }
    return found;
}
#endif
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct bitmap *self = p;
    uint64_t found = 0;
    for (uint64_t w = 0; w < self->words; w++) {
        uint64_t bits = self->word[w];
        if (!bits) continue;
#if AVX512
        if (__builtin_popcountll(bits) > 4 && room - found >= 72) {
            found += spread(bits, 64 * w, out + found);
            self->word[w] = 0;
            continue;
        }
#endif
        self->word[w] = take_bits(bits, 64 * w, out, room, &found);
        if (self->word[w]) break;
    }
    return found;
}
static void clear(void *p) { memset(((struct bitmap *)p)->word, 0, 8 * ((struct bitmap *)p)->words); }
static uint64_t bytes(const void *p) {
    return sizeof(struct bitmap) + 8 * ((const struct bitmap *)p)->words;
}
PEER(NAME, DIRTYLAB_SORTED | DIRTYLAB_UNIQUE)
