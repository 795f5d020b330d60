/* KVM's dirty log, transcribed (see kvm_log.c), decoded in user space by Linux's find_next_bit, its
 * source as it is. */
#include "lib/find_bit.c"
#define NAME "kvm-log-find-bit"
#define BY_FIND_NEXT_BIT 1
#include "kvm_log.c"
