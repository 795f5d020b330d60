/* The dirty ring: one for each vCPU, flags publish the frame.  Orders: FRAME, FLAGS (the store that
 * publishes), FLAGS_LOOK, HARVESTED (the store that follows), RESET (the flags' last store), ROOM
 * (the store that gives room back) and ROOM_LOOK.
 *
 * With -DPROTECT a page has a bit, and who finds it set does not push.  Order: WRITTEN, of the or and
 * of the and.
 */
#include "harness.h"

#ifndef SIZE
#define SIZE 2
#endif
#ifndef FRAME
#define FRAME relaxed
#endif
#ifndef FLAGS
#define FLAGS release
#endif
#ifndef FLAGS_LOOK
#define FLAGS_LOOK acquire
#endif
#ifndef HARVESTED
#define HARVESTED release
#endif
#ifndef RESET
#define RESET relaxed
#endif
#ifndef ROOM
#define ROOM release
#endif
#ifndef ROOM_LOOK
#define ROOM_LOOK acquire
#endif
#ifndef WRITTEN
#define WRITTEN seq_cst
#endif

void __VERIFIER_assume(int);

enum { invalid, dirty, harvested };

static atomic_int flags[VCPUS][SIZE], frames[VCPUS][SIZE], room[VCPUS];
#ifdef PROTECT
static atomic_uint protect;
#endif
static int pushed[VCPUS], fetched[VCPUS]; /* the vCPU's own, the harvest's own */

static void insert(int vcpu, int frame)
{
	int place = pushed[vcpu] % SIZE;

	if (pushed[vcpu] >= SIZE) /* the ring is full: schedules in which it stays so are left out */
		__VERIFIER_assume(
			pushed[vcpu] - atomic_load_explicit(&room[vcpu], ROOM_LOOK) < SIZE);
	write_page(now_inserting[vcpu]);
#ifdef PROTECT
	if (atomic_fetch_or_explicit(&protect, 1u << frame, WRITTEN) >> frame & 1)
		return;
#endif
	atomic_store_explicit(&frames[vcpu][place], frame, FRAME);
	atomic_store_explicit(&flags[vcpu][place], dirty, FLAGS);
	pushed[vcpu]++;
}

static void harvest(void)
{
	for (int vcpu = 0; vcpu < VCPUS; vcpu++) {
		int taken[SIZE], count = 0;

		if (frame_of[2 * vcpu] == NONE)
			continue;
		while (count < SIZE) {
			int place = (fetched[vcpu] + count) % SIZE;

			if (atomic_load_explicit(&flags[vcpu][place], FLAGS_LOOK) != dirty)
				break;
			taken[count++] = atomic_load_explicit(&frames[vcpu][place], relaxed);
			atomic_store_explicit(&flags[vcpu][place], harvested, HARVESTED);
		}
		for (int i = 0; i < count; i++)
			atomic_store_explicit(
				&flags[vcpu][(fetched[vcpu] + i) % SIZE], invalid, RESET);
		fetched[vcpu] += count;
		atomic_store_explicit(&room[vcpu], fetched[vcpu], ROOM);
		for (int i = 0; i < count; i++) {
#ifdef PROTECT
			atomic_fetch_and_explicit(&protect, ~(1u << taken[i]), WRITTEN);
#endif
			report(taken[i]);
		}
	}
}
