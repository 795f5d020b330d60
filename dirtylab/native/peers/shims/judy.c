/* Judy1 as Debian builds it, linked dynamically: set each frame, walk with first and next, free. */
#include <Judy.h>
#include "shim.h"

struct slot { Pvoid_t set; };

static void *create(uint64_t pages) {
    (void)pages;
    return calloc(1, sizeof(struct slot));
}
static void clear(void *p) { Judy1FreeArray(&((struct slot *)p)->set, PJE0); }
static void destroy(void *p) {
    clear(p);
    free(p);
}
static void insert(void *p, const uint64_t *frames, uint64_t n) {
    struct slot *self = p;
    for (uint64_t i = 0; i < n; i++) Judy1Set(&self->set, frames[i], PJE0);
}
static uint64_t harvest(void *p, uint64_t *out, uint64_t room) {
    struct slot *self = p;
    Word_t at = 0;
    uint64_t found = 0;
    int more = Judy1First(self->set, &at, PJE0);
    for (; more && found < room; more = Judy1Next(self->set, &at, PJE0)) out[found++] = at;
    if (!more)
        clear(p);
    else
        for (uint64_t i = 0; i < found; i++) Judy1Unset(&self->set, out[i], PJE0);
    return found;
}
static uint64_t bytes(const void *p) {
    return sizeof(struct slot) + Judy1MemUsed(((const struct slot *)p)->set);
}
PEER("judy1", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE | DIRTYLAB_GROWS)
