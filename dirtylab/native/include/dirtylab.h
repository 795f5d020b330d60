/* dirtylab.h: the contract of a native dirty-page tracker, ABI 1.
 *
 * A shared library exports one function, dirtylab_trackers(), which returns an array of pointers
 * to tables, ended by NULL.  A table describes one tracker: a set of dirty frames (guest frame
 * numbers, pages of 4 KiB) of one memory slot.
 *
 * Threads: unless DIRTYLAB_CONCURRENT is set, all calls on one `self` come from one thread at a
 * time.  Different trackers are independent: no state is shared between two `self`.
 * No call may raise a C++ exception, unwind a Rust panic, or longjmp through its caller.
 */
#ifndef DIRTYLAB_H
#define DIRTYLAB_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIRTYLAB_ABI 1u

enum {
    DIRTYLAB_SORTED = 1u,     /* harvest gives frames in ascending order */
    DIRTYLAB_UNIQUE = 2u,     /* harvest gives each frame once, however often it was inserted */
    DIRTYLAB_CONCURRENT = 4u, /* insert, insert_range may run on many threads, beside one harvest */
    DIRTYLAB_GROWS = 8u       /* memory grows with the dirty frames; else all is made by create */
};

/* `pages` frames in a row, from `first` on; pages > 0. */
struct dirtylab_run {
    uint64_t first;
    uint64_t pages;
};

struct dirtylab_tracker {
    uint32_t abi;     /* DIRTYLAB_ABI */
    uint32_t bytes_of_table; /* sizeof(struct dirtylab_tracker), so that later versions can add */
    uint32_t flags;   /* of the enum above */
    uint32_t reserved; /* 0 */
    const char *name; /* UTF-8, up to 40 bytes, such as "my-bitmap" */

    /* Make an empty tracker for a slot of `pages` pages, 0 included; NULL where it can't. */
    void *(*create)(uint64_t pages);
    void (*destroy)(void *self);
    /* Mark frames[0 .. n-1], each below `pages`, in any order, repeats allowed; n may be 0. */
    void (*insert)(void *self, const uint64_t *frames, uint64_t n);
    /* Move dirty frames to out[0 .. room-1] and forget those moved; return how many.  Where there
     * are more than `room`, the rest stays dirty.  Never write past `room`. */
    uint64_t (*harvest)(void *self, uint64_t *out, uint64_t room);
    /* Forget all dirty frames; the tracker is empty and usable. */
    void (*clear)(void *self);
    /* Bytes of memory that the tracker holds now, `self` included. */
    uint64_t (*bytes)(const void *self);

    /* Optional, NULL where absent. */

    /* As harvest, but runs of adjacent frames, ascending where DIRTYLAB_SORTED is set. */
    uint64_t (*harvest_runs)(void *self, struct dirtylab_run *out, uint64_t room);
    /* Mark frames first .. first + pages - 1. */
    void (*insert_range)(void *self, uint64_t first, uint64_t pages);
    /* Number of distinct dirty frames. */
    uint64_t (*count)(const void *self);
};

#if defined(_WIN32)
#define DIRTYLAB_EXPORT __declspec(dllexport)
#else
#define DIRTYLAB_EXPORT __attribute__((visibility("default")))
#endif

DIRTYLAB_EXPORT const struct dirtylab_tracker *const *dirtylab_trackers(void);

#ifdef __cplusplus
}
#endif
#endif
