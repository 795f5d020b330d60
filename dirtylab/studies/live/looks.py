"""Colours of the kernel's mechanisms: hues that no structure has."""

from dirtylab.figures.style import Look

KERNEL = {
    "kvm-log": Look("KVM's dirty log", "#7E05BB", "s"),
    "kvm-ring": Look("KVM's dirty ring, 4,096 entries", "#E0218A", "o"),
    "pagemap": Look("PAGEMAP_SCAN (a process)", "#2C1AF9", "^"),
}
