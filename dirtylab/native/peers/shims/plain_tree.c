/* Plain C: a tree of radix 64; a bit of a level says that a word of the level below is not zero. */
#include "shim.h"

enum { LEVELS = 10 };
struct tree { uint64_t levels, words, *level[LEVELS]; uint64_t word[]; };

static void *create(uint64_t pages) {
    uint64_t size[LEVELS], levels = 0, words = 0;
    for (uint64_t n = pages; levels == 0 || n > 1; levels++) {
        n = (n + 63) / 64;
        size[levels] = n ? n : 1;
        words += size[levels];
    }
    struct tree *self = malloc(sizeof *self + 8 * words);
    if (!self) return NULL;
    self->levels = levels;
    self->words = words;
    memset(self->word, 0, 8 * words);
    uint64_t *next = self->word;
    for (uint64_t l = 0; l < levels; next += size[l++]) self->level[l] = next;
    return self;
}
static void destroy(void *self) { free(self); }
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    struct tree *self = p;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t place = frames[i];
        for (uint64_t l = 0; l < self->levels; l++, place /= 64) {
            uint64_t *word = &self->level[l][place / 64], old = *word;
            *word = old | 1ull << place % 64;
            if (old) break; /* the levels above say so already */
        }
    }
}
/* Take what is below a word of a level; what has no room stays, and so do the bits above it. */
static uint64_t take(struct tree *self, uint64_t l, uint64_t at, uint64_t *out, uint64_t room) {
    uint64_t *word = &self->level[l][at], found = 0;
    if (!l) {
        *word = take_bits(*word, 64 * at, out, room, &found);
        return found;
    }
    for (uint64_t bits = *word; bits && found < room; bits &= bits - 1) {
        uint64_t below = 64 * at + (uint64_t)__builtin_ctzll(bits);
        found += take(self, l - 1, below, out + found, room - found);
        if (!self->level[l - 1][below]) *word &= ~(1ull << below % 64);
    }
    return found;
}
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct tree *self = p;
    return take(self, self->levels - 1, 0, out, room);
}
static void clear(void *p) { memset(((struct tree *)p)->word, 0, 8 * ((struct tree *)p)->words); }
static uint64_t bytes(const void *p) {
    return sizeof(struct tree) + 8 * ((const struct tree *)p)->words;
}
PEER("plain-c-tree64", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE)
