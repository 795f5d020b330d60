// std::bitset: its size is fixed when it is compiled, so a slot is a vector of bitsets of 65,536
// pages; libstdc++'s _Find_first and _Find_next decode it.
#include <bitset>
#include <new>
#include <vector>
#include "shim.h"

namespace {
constexpr uint64_t PAGES = 65536;
using Part = std::bitset<PAGES>;
using Slot = std::vector<Part>;
Slot &of(void *self) { return *static_cast<Slot *>(self); }

void *create(uint64_t pages) {
    try {
        return new Slot((pages + PAGES - 1) / PAGES);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}
void destroy(void *self) { delete &of(self); }
void insert(void *self, const uint64_t *frames, uint64_t n) noexcept {
    Slot &slot = of(self);
    for (uint64_t i = 0; i < n; i++) slot[frames[i] / PAGES][frames[i] % PAGES] = true;
}
uint64_t harvest(void *self, uint64_t *out, uint64_t room) noexcept {
    uint64_t found = 0, first = 0;
    for (Part &part : of(self)) {
        size_t bit = part._Find_first();
        const size_t begin = bit;
        for (; bit < PAGES && found < room; bit = part._Find_next(bit)) out[found++] = first + bit;
        if (bit < PAGES) {  // no room: what lies from here on stays
            for (size_t gone = begin; gone < bit; gone++) part[gone] = false;
            return found;
        }
        if (begin < PAGES) part.reset();
        first += PAGES;
    }
    return found;
}
void clear(void *self) noexcept {
    for (Part &part : of(self)) part.reset();
}
uint64_t bytes(const void *self) {
    return sizeof(Slot) + sizeof(Part) * static_cast<const Slot *>(self)->size();
}
}  // namespace
PEER("std-bitset", DIRTYLAB_SORTED | DIRTYLAB_UNIQUE)
