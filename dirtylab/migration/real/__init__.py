"""Real live migrations: two processes of QEMU on this machine, and a guest of our own."""
