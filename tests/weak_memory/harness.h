/* What all programs share: vCPUs that write pages and insert, harvests, and the account of who was
 * found.
 *
 * An insert begins with the write of its page and ends when it has returned.  A harvest reports a
 * frame and reads its page afterwards: that accounts for each insert of which the write is seen.
 *
 *   first harvest(s)   while all vCPUs insert
 *   second             when vCPU 0 has returned, while the others may still insert: late is an insert
 *                      of vCPU 0 that is not accounted for by now
 *   last               when all have returned: lost is an insert that is not accounted for by now
 *
 * Each vCPU inserts one frame or two: -DVCPU0=f, -DVCPU0_THEN=f, likewise VCPU1 and VCPU2.  With
 * -DHARVESTS=n there are so many first harvests, with -DLATE lateness is a failure too.
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define relaxed memory_order_relaxed
#define acquire memory_order_acquire
#define release memory_order_release
#define acq_rel memory_order_acq_rel
#define seq_cst memory_order_seq_cst

#define NONE (-1)
#ifndef VCPU0
#define VCPU0 0
#endif
#ifndef VCPU0_THEN
#define VCPU0_THEN NONE
#endif
#ifndef VCPU1
#define VCPU1 NONE
#endif
#ifndef VCPU1_THEN
#define VCPU1_THEN NONE
#endif
#ifndef VCPU2
#define VCPU2 NONE
#endif
#ifndef HARVESTS
#define HARVESTS 1
#endif

enum { VCPUS = 3, INSERTS = 6 };

static const int frame_of[INSERTS] = {VCPU0, VCPU0_THEN, VCPU1, VCPU1_THEN, VCPU2, NONE};
static atomic_int written[INSERTS]; /* what an insert writes to its page, a cell for each */
static bool found[INSERTS];         /* whether a harvest has accounted for it */

/* Of the structure under test. */
static void insert(int vcpu, int frame);
static void harvest(void);

/* The frame is handed on, and its page is read. */
static void report(int frame)
{
	for (int i = 0; i < INSERTS; i++)
		if (frame_of[i] == frame && !found[i])
			found[i] = atomic_load_explicit(&written[i], relaxed);
}

/* The page's write, which each insert begins with. */
static void write_page(int number)
{
	atomic_store_explicit(&written[number], 1, relaxed);
}

static int now_inserting[VCPUS];

static void insert_one(int vcpu, int number)
{
	if (frame_of[number] == NONE)
		return;
	now_inserting[vcpu] = number;
	insert(vcpu, frame_of[number]);
}

static void *run_vcpu(void *which)
{
	int vcpu = *(int *)which;

	insert_one(vcpu, 2 * vcpu);
	insert_one(vcpu, 2 * vcpu + 1);
	return NULL;
}

static void *run_harvests(void *unused)
{
	(void)unused;
	for (int i = 0; i < HARVESTS; i++)
		harvest();
	return NULL;
}

static void require_found(int from, int to)
{
	for (int i = from; i < to; i++)
		assert(frame_of[i] == NONE || found[i]);
}

int main(void)
{
	static int numbers[VCPUS] = {0, 1, 2};
	pthread_t vcpus[VCPUS], harvester;

	for (int i = 0; i < VCPUS; i++)
		if (frame_of[2 * i] != NONE && pthread_create(&vcpus[i], NULL, run_vcpu, &numbers[i]))
			return 1;
	if (pthread_create(&harvester, NULL, run_harvests, NULL))
		return 1;
	pthread_join(vcpus[0], NULL);
	pthread_join(harvester, NULL);
	harvest();
#ifdef LATE
	require_found(0, 2);
#endif
	for (int i = 1; i < VCPUS; i++)
		if (frame_of[2 * i] != NONE)
			pthread_join(vcpus[i], NULL);
	harvest();
	require_found(0, INSERTS);
	return 0;
}
