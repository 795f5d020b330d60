/* The list: a ticket says which entry is whose.  Orders: TICKET, ENTRY (its store), TICKET_LOOK,
 * ENTRY_LOOK.
 *
 * With -DROUND there are as many entries as vCPUs, so that the circle comes round.  Orders: HEAD (the
 * store that gives room back) and HEAD_LOOK.
 */
#include "harness.h"

enum { INSERTING = 1 + (VCPU1 != NONE) + (VCPU2 != NONE) };
#ifdef ROUND
enum { SIZE = INSERTING };
#else
enum { SIZE = 4 };
#endif
#ifndef TICKET
#define TICKET relaxed
#endif
#ifndef ENTRY
#define ENTRY release
#endif
#ifndef TICKET_LOOK
#define TICKET_LOOK acquire
#endif
#ifndef ENTRY_LOOK
#define ENTRY_LOOK acquire
#endif
#ifndef HEAD
#define HEAD release
#endif
#ifndef HEAD_LOOK
#define HEAD_LOOK acquire
#endif

#ifdef ROUND
void __VERIFIER_assume(int);
#endif

static atomic_int ticket, head, entry[SIZE];
static int scanned, holes[SIZE + 1], kept; /* the harvest's own */

static void insert(int vcpu, int frame)
{
	int mine;

#ifdef ROUND /* the soft limit: schedules in which there is no room are left out */
	int taken = atomic_load_explicit(&head, HEAD_LOOK);

	__VERIFIER_assume(atomic_load_explicit(&ticket, relaxed) - taken + INSERTING <= SIZE);
#endif
	write_page(now_inserting[vcpu]);
	mine = atomic_fetch_add_explicit(&ticket, 1, TICKET);
#ifdef ROUND /* the limit was looked at before the ticket was drawn, and may have been reached since */
	__VERIFIER_assume(mine - atomic_load_explicit(&head, HEAD_LOOK) < SIZE);
#endif
	atomic_store_explicit(&entry[mine % SIZE], frame + 1, ENTRY);
}

static bool take(int number)
{
	int value = atomic_load_explicit(&entry[number % SIZE], ENTRY_LOOK);

	if (!value)
		return false;
	atomic_store_explicit(&entry[number % SIZE], 0, relaxed);
	report(value - 1);
	return true;
}

static void harvest(void)
{
	int left = 0, stop;

	for (int i = 0; i < kept; i++)
		if (!take(holes[i]))
			holes[left++] = holes[i];
	stop = atomic_load_explicit(&ticket, TICKET_LOOK);
	for (; scanned < stop; scanned++)
		if (!take(scanned))
			holes[left++] = scanned;
	kept = left;
	atomic_store_explicit(&head, kept ? holes[0] : stop, HEAD);
}
