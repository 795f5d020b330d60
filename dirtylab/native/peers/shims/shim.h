/* shim.h: what the shims of peers share: the table, and taking bits out of a word.
 * A shim defines create, destroy, insert, harvest, clear, bytes and then says PEER(name, flags). */
#ifndef SHIM_H
#define SHIM_H
#include <stdlib.h>
#include <string.h>
#include "dirtylab.h"

#ifdef __cplusplus
#define PEER_EXTERN extern "C"
#else
#define PEER_EXTERN
#endif

#define PEER(name, flags)                                                                          \
    static const struct dirtylab_tracker table = {                                                 \
        DIRTYLAB_ABI, sizeof table, (flags), 0, name, create, destroy, insert, harvest, clear,     \
        bytes, NULL, NULL, NULL};                                                                  \
    PEER_EXTERN const struct dirtylab_tracker *const *dirtylab_trackers(void) {                    \
        static const struct dirtylab_tracker *const all[] = {&table, NULL};                        \
        return all;                                                                                \
    }

/* Write the frames of a word's bits, lowest first, while there is room; return the bits left. */
static inline uint64_t take_bits(uint64_t bits, uint64_t first, uint64_t *out, uint64_t room,
                                 uint64_t *found) {
    while (bits && *found < room) {
        out[(*found)++] = first + (uint64_t)__builtin_ctzll(bits);
        bits &= bits - 1;
    }
    return bits;
}
#endif
