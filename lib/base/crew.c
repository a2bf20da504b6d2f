/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work in parts, done by the calling thread and one helper. On a machine with one processor, or where no thread can be
 * had, the caller does it all. What the parts share they must only read.
 */
#include <pthread.h>
#include <sched.h>

#include <svcdoctor/base.h>

/* Parts that wait: enough that the helper is never idle while the caller does one. */
#define WAITING_MAX 4u

struct crew {
	crew_fn *fn;
	void *arg;
	pthread_t helper;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a part was added, or there will be no more */
	bool over;
	unsigned first, len;
	void *waiting[WAITING_MAX]; /* a ring */
};

/* Called with the lock held; NULL: none waits. */
static void *take(struct crew *c)
{
	void *part;

	if (c->len == 0)
		return NULL;
	part = c->waiting[c->first];
	c->first = (c->first + 1) % WAITING_MAX;
	c->len--;
	return part;
}

static void *help(void *arg)
{
	struct crew *c = arg;
	void *part;

	(void)pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!(part = take(c)) && !c->over)
			(void)pthread_cond_wait(&c->changed, &c->lock);
		if (!part)
			break;
		(void)pthread_mutex_unlock(&c->lock);
		c->fn(c->arg, part, 1);
		(void)pthread_mutex_lock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

bool crew_has_room(unsigned threads)
{
	cpu_set_t set;

	/* Fails where there are more than 1024 of them. */
	return sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) > (int)threads;
}

struct crew *crew_start(crew_fn *fn, void *arg)
{
	struct crew *c = crew_has_room(1) ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->fn = fn;
	c->arg = arg;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->changed, NULL);
	if (pthread_create(&c->helper, NULL, help, c) == 0)
		return c;
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

void crew_add(struct crew *c, void *part)
{
	void *own;

	(void)pthread_mutex_lock(&c->lock);
	own = c->len == WAITING_MAX ? take(c) : NULL;
	c->waiting[(c->first + c->len++) % WAITING_MAX] = part;
	(void)pthread_cond_signal(&c->changed);
	(void)pthread_mutex_unlock(&c->lock);
	if (own)
		c->fn(c->arg, own, 0);
}

void crew_finish(struct crew *c)
{
	void *own;

	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->over = true;
	(void)pthread_cond_signal(&c->changed);
	while ((own = take(c))) {
		(void)pthread_mutex_unlock(&c->lock);
		c->fn(c->arg, own, 0);
		(void)pthread_mutex_lock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->helper, NULL);
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}
