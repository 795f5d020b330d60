/* The tree: bits set on the way up, words taken on the way down; words of two bits, radix 2.
 *
 * -DLEVELS=2 or 3.  Orders: LEAF (the or of the leaf bit), LOOK, ABOVE (the ors above it), EXCHANGE.
 * With -DBLIND every bit is set without a look.
 */
#include "harness.h"

#ifndef LEVELS
#define LEVELS 2
#endif
#ifndef LEAF
#define LEAF seq_cst
#endif
#ifndef LOOK
#define LOOK seq_cst
#endif
#ifndef ABOVE
#define ABOVE seq_cst
#endif
#ifndef EXCHANGE
#define EXCHANGE seq_cst
#endif

static atomic_uint word[LEVELS][1 << (LEVELS - 1)];

static void insert(int vcpu, int frame)
{
	write_page(now_inserting[vcpu]);
	atomic_fetch_or_explicit(&word[0][frame >> 1], 1u << (frame & 1), LEAF);
	for (int level = 1; level < LEVELS; level++) {
		int bit = frame >> level;
		unsigned int mask = 1u << (bit & 1);
#ifndef BLIND
		if (atomic_load_explicit(&word[level][bit >> 1], LOOK) & mask)
			continue;
#endif
		atomic_fetch_or_explicit(&word[level][bit >> 1], mask, ABOVE);
	}
}

static void take(int level, int number)
{
	unsigned int bits = atomic_exchange_explicit(&word[level][number], 0, EXCHANGE);

	for (int bit = 0; bit < 2; bit++) {
		if (!(bits >> bit & 1))
			continue;
		if (level == 0)
			report(2 * number + bit);
		else
			take(level - 1, 2 * number + bit);
	}
}

static void harvest(void)
{
	take(LEVELS - 1, 0);
}
