/* CRoaring, its amalgamated source as it is: 32-bit frames in, sorted array out, then clear. */
#include "roaring.c"
#include "shim.h"

struct slot { roaring_bitmap_t *set; uint32_t *given; uint64_t room; };

static void *create(uint64_t pages) {
    if (pages > 1ull << 32) return NULL; /* its frames have 32 bits */
    struct slot *self = calloc(1, sizeof *self);
    if (self && !(self->set = roaring_bitmap_create())) {
        free(self);
        return NULL;
    }
    return self;
}
static void destroy(void *p) {
    struct slot *self = p;
    roaring_bitmap_free(self->set);
    free(self->given);
    free(self);
}
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    roaring_bulk_context_t context = {0};
    roaring_bitmap_t *set = ((struct slot *)p)->set;
    for (uint64_t i = 0; i < n; i++) roaring_bitmap_add_bulk(set, &context, (uint32_t)frames[i]);
}
static void clear(void *p) { roaring_bitmap_clear(((struct slot *)p)->set); }
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct slot *self = p;
    uint64_t all = roaring_bitmap_get_cardinality(self->set), found = all < room ? all : room;
    if (!found) return 0;
    if (self->room < found) {
        uint32_t *given = realloc(self->given, 4 * found);
        if (!given) return 0; /* nothing is taken, nothing is lost */
        self->given = given;
        self->room = found;
    }
    roaring_bitmap_range_uint32_array(self->set, 0, found, self->given);
    for (uint64_t i = 0; i < found; i++) out[i] = self->given[i];
    if (found == all)
        clear(p);
    else
        roaring_bitmap_remove_range(self->set, 0, (uint64_t)self->given[found - 1] + 1);
    return found;
}
static uint64_t bytes(const void *p) {
    const struct slot *self = p;
    roaring_statistics_t told;
    roaring_bitmap_statistics(self->set, &told);
    const roaring_array_t *parts = &self->set->high_low_container;
    return sizeof *self + sizeof(roaring_bitmap_t) + 4 * self->room + told.n_bytes_array_containers +
           told.n_bytes_run_containers + told.n_bytes_bitset_containers +
           (uint64_t)parts->allocation_size * (sizeof(void *) + 3) + 48 * told.n_containers;
}
PEER("croaring", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE | DIRTYLAB_GROWS)
