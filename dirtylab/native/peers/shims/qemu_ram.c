/* QEMU's RAM bitmaps: bitmap_set_atomic, find_next_bit and the bitmaps' words are its own source;
 * the loop that moves dirty words into migration's bitmap, counting new pages, is transcribed. */
#include "util/bitmap.c"
#include "util/bitops.c"
#include "shim.h"

struct slot { uint64_t pages, words; unsigned long *seen, *migrating; };

static void *create(uint64_t pages) {
    struct slot *self = malloc(sizeof *self);
    if (!self) return NULL;
    self->pages = pages;
    self->words = (pages + 63) / 64;
    self->seen = shim_zeroed(8 * self->words);
    self->migrating = shim_zeroed(8 * self->words);
    return self;
}
static void destroy(void *p) {
    struct slot *self = p;
    free(self->seen);
    free(self->migrating);
    free(self);
}
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    struct slot *self = p;
    for (uint64_t i = 0; i < n; i++) bitmap_set_atomic(self->seen, (long)frames[i], 1);
}
static uint64_t synced(struct slot *self) {
    uint64_t dirty = 0;
    for (uint64_t w = 0; w < self->words; w++) {
        if (!self->seen[w]) continue;
        unsigned long bits = qatomic_xchg(&self->seen[w], 0), had = self->migrating[w];
        self->migrating[w] = had | bits;
        dirty += (uint64_t)__builtin_popcountl(bits & ~had);
    }
    return dirty;
}
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct slot *self = p;
    uint64_t found = 0;
    synced(self);
    unsigned long at = find_next_bit(self->migrating, self->pages, 0);
    while (at < self->pages && found < room) {
        clear_bit((long)at, self->migrating);
        out[found++] = at;
        at = find_next_bit(self->migrating, self->pages, at + 1);
    }
    return found;
}
static void clear(void *p) {
    struct slot *self = p;
    memset(self->seen, 0, 8 * self->words);
    memset(self->migrating, 0, 8 * self->words);
}
static uint64_t bytes(const void *p) {
    return sizeof(struct slot) + 16 * ((const struct slot *)p)->words;
}
PEER("qemu-ram-bitmap", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE | DIRTYLAB_CONCURRENT)
