/* KVM's dirty log, transcribed from its description, no line of its source: vCPUs set bits
 * atomically in the memslot's bitmap; getting the log takes each word that is not zero by an atomic
 * exchange into a second bitmap, which user space then decodes by ctz. */
#include "shim.h"
#ifndef NAME
#define NAME "kvm-log-ctz"
#endif

struct log { uint64_t words, pages; uint64_t word[]; }; /* the log, then what user space gets */

static void *create(uint64_t pages) {
    uint64_t words = (pages + 63) / 64;
    struct log *self = malloc(sizeof *self + 16 * words);
    if (!self) return NULL;
    self->words = words;
    self->pages = pages;
    memset(self->word, 0, 16 * words);
    return self;
}
static void destroy(void *self) { free(self); }
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    uint64_t *word = ((struct log *)p)->word;
    for (uint64_t i = 0; i < n; i++)
        __atomic_fetch_or(&word[frames[i] / 64], 1ull << frames[i] % 64, __ATOMIC_SEQ_CST);
}
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct log *self = p;
    uint64_t *given = self->word + self->words, found = 0;
    memset(given, 0, 8 * self->words);
    for (uint64_t w = 0; w < self->words; w++)
        if (__atomic_load_n(&self->word[w], __ATOMIC_RELAXED))
            given[w] = __atomic_exchange_n(&self->word[w], 0, __ATOMIC_SEQ_CST);
#if BY_FIND_NEXT_BIT
    const unsigned long *bits = (const unsigned long *)given;
    unsigned long at = find_next_bit(bits, self->pages, 0);
    for (; at < self->pages && found < room; at = find_next_bit(bits, self->pages, at + 1))
        out[found++] = at;
    if (at >= self->pages) return found;
    given[at / 64] &= ~0ull << at % 64;
    for (uint64_t w = at / 64; w < self->words; w++) /* no room: these stay */
        if (given[w]) __atomic_fetch_or(&self->word[w], given[w], __ATOMIC_SEQ_CST);
#else
    for (uint64_t w = 0; w < self->words; w++) {
        uint64_t left = take_bits(given[w], 64 * w, out, room, &found);
        if (left) __atomic_fetch_or(&self->word[w], left, __ATOMIC_SEQ_CST); /* no room: stays */
    }
#endif
    return found;
}
static void clear(void *p) { memset(((struct log *)p)->word, 0, 8 * ((struct log *)p)->words); }
static uint64_t bytes(const void *p) {
    return sizeof(struct log) + 16 * ((const struct log *)p)->words;
}
PEER(NAME, DIRTYLAB_SORTED | DIRTYLAB_UNIQUE | DIRTYLAB_CONCURRENT)
