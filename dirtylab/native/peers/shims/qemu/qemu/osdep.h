/* What QEMU's hbitmap.c, bitmap.c and bitops.c need of its osdep.h, and of GLib: written anew. */
#ifndef SHIM_OSDEP_H
#define SHIM_OSDEP_H
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_PAGE_SIZE 4096
#define CONFIG_INT128 1
#define QEMU_ALIGN_DOWN(n, m) ((n) / (m) * (m))
#define QEMU_ALIGN_UP(n, m) QEMU_ALIGN_DOWN((n) + (m) - 1, (m))
#define QEMU_IS_ALIGNED(n, m) (((n) % (m)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define ROUND_UP(n, d) QEMU_ALIGN_UP(n, d)
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN_CONST(a, b) MIN(a, b)
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define qemu_build_assert(truth) assert(truth)

typedef size_t gsize;
typedef struct Error Error;

/* Zeroes are written, so that no epoch meets a page that was never touched. */
static inline void *shim_zeroed(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) abort();
    return memset(memory, 0, bytes);
}
static inline void *shim_resized(void *old, size_t bytes) {
    void *memory = realloc(old, bytes ? bytes : 1);
    if (!memory) abort();
    return memory;
}
#define g_new0(type, n) ((type *)shim_zeroed(sizeof(type) * (n)))
#define g_renew(type, old, n) ((type *)shim_resized(old, sizeof(type) * (n)))
#define g_realloc(old, bytes) shim_resized(old, bytes)
#define g_malloc0(bytes) shim_zeroed(bytes)
#define g_try_malloc0(bytes) calloc(1, (bytes) ? (bytes) : 1)
#define g_free(memory) free(memory)
#define g_assert(truth) assert(truth)
#define g_assert_not_reached() abort()
#endif
