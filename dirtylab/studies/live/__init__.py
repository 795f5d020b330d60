"""The study of real dirty pages: harvests of KVM and PAGEMAP_SCAN, recordings of programs."""
