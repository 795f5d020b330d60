/* QEMU's HBitmap, its source as it is: hbitmap_set a page, walk by its iterator, reset all. */
#include "util/hbitmap.c"
#include "shim.h"

struct slot { HBitmap *map; };

static void *create(uint64_t pages) {
    struct slot *self = malloc(sizeof *self);
    if (self) self->map = hbitmap_alloc(pages ? pages : 1, 0);
    return self;
}
static void destroy(void *p) {
    hbitmap_free(((struct slot *)p)->map);
    free(p);
}
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    HBitmap *map = ((struct slot *)p)->map;
    for (uint64_t i = 0; i < n; i++) hbitmap_set(map, frames[i], 1);
}
static void clear(void *p) { hbitmap_reset_all(((struct slot *)p)->map); }
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    HBitmap *map = ((struct slot *)p)->map;
    uint64_t found = 0;
    int64_t frame = -1;
    HBitmapIter walk;
    if (hbitmap_empty(map)) return 0;
    hbitmap_iter_init(&walk, map, 0);
    while (found < room && (frame = hbitmap_iter_next(&walk)) >= 0) out[found++] = (uint64_t)frame;
    if (frame < 0 && found < room)
        clear(p);
    else if (found)
        hbitmap_reset(map, 0, out[found - 1] + 1); /* no room for more: the rest stays */
    return found;
}
static uint64_t bytes(const void *p) {
    const HBitmap *map = ((const struct slot *)p)->map;
    uint64_t words = 0;
    for (int l = 0; l < HBITMAP_LEVELS; l++) words += map->sizes[l];
    return sizeof(struct slot) + sizeof *map + 8 * words;
}
PEER("qemu-hbitmap", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE)
