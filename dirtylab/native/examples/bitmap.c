/* A bitmap of 64-bit words, in C.  Frame f is bit f % 64 of word f / 64. */
#include <stdlib.h>
#include <string.h>
#include "dirtylab.h"

struct bitmap { uint64_t words; uint64_t word[]; };

static void *create(uint64_t pages) {
    uint64_t words = (pages + 63) / 64;
    struct bitmap *self = calloc(1, sizeof *self + 8 * words);
    if (self) self->words = words;
    return self;
}
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    struct bitmap *self = p;
    for (uint64_t i = 0; i < n; i++) self->word[frames[i] / 64] |= 1ull << frames[i] % 64;
}
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct bitmap *self = p;
    uint64_t found = 0;
    for (uint64_t w = 0; w < self->words; w++)
        for (; self->word[w]; self->word[w] &= self->word[w] - 1) {
            if (found == room) return found;
            out[found++] = 64 * w + (uint64_t)__builtin_ctzll(self->word[w]);
        }
    return found;
}
static void clear(void *p) { memset(((struct bitmap *)p)->word, 0, 8 * ((struct bitmap *)p)->words); }
static uint64_t bytes(const void *p) {
    return sizeof(struct bitmap) + 8 * ((const struct bitmap *)p)->words;
}
static const struct dirtylab_tracker table = {
    DIRTYLAB_ABI, sizeof table, DIRTYLAB_SORTED | DIRTYLAB_UNIQUE, 0, "c-bitmap",
    create, free, insert, harvest, clear, bytes, NULL, NULL, NULL };
const struct dirtylab_tracker *const *dirtylab_trackers(void) {
    static const struct dirtylab_tracker *const all[] = {&table, NULL};
    return all;
}
