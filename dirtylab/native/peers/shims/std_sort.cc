// std::sort: frames are appended, a harvest sorts them and drops repeats.
#include <algorithm>
#include <new>
#include <vector>
#include "shim.h"

namespace {
using Frames = std::vector<uint64_t>;
Frames &of(void *self) { return *static_cast<Frames *>(self); }

void *create(uint64_t) { return new (std::nothrow) Frames; }
void destroy(void *self) { delete &of(self); }
void insert(void *self, const uint64_t *frames, uint64_t n) noexcept {
    of(self).insert(of(self).end(), frames, frames + n);
}
uint64_t harvest(void *self, uint64_t *out, uint64_t room) noexcept {
    Frames &all = of(self);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    const uint64_t found = std::min<uint64_t>(room, all.size());
    std::copy_n(all.begin(), found, out);
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(found));
    return found;
}
void clear(void *self) noexcept { of(self).clear(); }
uint64_t bytes(const void *self) {
    return sizeof(Frames) + 8 * static_cast<const Frames *>(self)->capacity();
}
}  // namespace
PEER("std-sort", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE | DIRTYLAB_GROWS)
