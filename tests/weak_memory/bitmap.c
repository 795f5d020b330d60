/* The bitmap: one word of four bits.  Orders: OR, LOOK (at a word that may be passed over),
 * EXCHANGE.
 *
 * With -DTEST the bit is looked at before it is set, and left alone where it is set already; then
 * FENCE, between the page's write and the look, and HARVEST_FENCE, between the exchange and the
 * reading of the pages, are fences where they are defined.
 */
#include "harness.h"

#ifndef OR
#define OR release
#endif
#ifndef LOOK
#define LOOK relaxed
#endif
#ifndef EXCHANGE
#define EXCHANGE acquire
#endif

static atomic_uint word;

static void insert(int vcpu, int frame)
{
	write_page(now_inserting[vcpu]);
#ifdef TEST
#ifdef FENCE
	atomic_thread_fence(seq_cst);
#endif
	if (atomic_load_explicit(&word, relaxed) >> frame & 1)
		return;
#endif
	atomic_fetch_or_explicit(&word, 1u << frame, OR);
}

static void harvest(void)
{
	unsigned int bits;

	if (!atomic_load_explicit(&word, LOOK))
		return;
	bits = atomic_exchange_explicit(&word, 0, EXCHANGE);
#ifdef HARVEST_FENCE
	atomic_thread_fence(seq_cst);
#endif
	for (int bit = 0; bit < 4; bit++)
		if (bits >> bit & 1)
			report(bit);
}
