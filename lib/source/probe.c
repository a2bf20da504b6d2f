/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tries connections: many at once, each with its own time limit, all in one thread around poll(). Nothing is sent but to the addresses that the
 * caller names, and no more often than it says. What goes over a connection is in probe-words.c, what an error means in probe-error.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "probe-private.h"

enum { LOOK_MS = 200 };

struct launcher {
	struct probe *v;
	size_t n;
	unsigned rounds, round; /* all first tries, then all second ones, ... */
	size_t next;
	const struct probe_options *o;
	struct flight *flights;
	size_t nflights;
	int64_t until_us; /* of all; INT64_MAX: no limit */
	uint16_t last_id;
};

static int64_t clock_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static socklen_t make_address(const struct probe *p, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(p->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(p->port) };
	if (p->addr.family == AF_INET6) {
		memcpy(&v6.sin6_addr, p->addr.b, 16);
		memcpy(ret, &v6, sizeof(v6));
		return sizeof(v6);
	}
	memcpy(&v4.sin_addr, p->addr.b, 4);
	memcpy(ret, &v4, sizeof(v4));
	return sizeof(v4);
}

/* The address that the kernel chose for the connection. */
static void note_source(struct flight *f)
{
	struct sockaddr_storage s = { 0 };
	socklen_t size = sizeof(s);
	if (getsockname(f->fd, (struct sockaddr *)&s, &size) < 0) {
		return;
	}
	struct ip_addr a = { .family = (uint8_t)s.ss_family };
	if (s.ss_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, &s, sizeof(v6));
		memcpy(a.b, &v6.sin6_addr, 16);
	} else {
		struct sockaddr_in v4;
		memcpy(&v4, &s, sizeof(v4));
		memcpy(a.b, &v4.sin_addr, 4);
	}
	if (!ip_addr_is_zero(&a)) {
		f->out->source = a;
	}
}

static bool is_tcp(const struct flight *f)
{
	return f->probe->way == WAY_TCP || f->probe->way == WAY_HTTP;
}

/* ---- one try ---- */

/* Sends what is left. True when the try has ended. */
static bool send_some(struct flight *f)
{
	ssize_t n = send(f->fd, f->buf + f->sent, f->size - f->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		error_explain(f, errno);
		return true;
	}
	f->sent += n > 0 ? (size_t)n : 0;
	if (n >= 0 && f->sent == f->size) {
		f->stage = FLIGHT_WAITING;
		f->got = 0;
	}
	return false;
}

static bool receive_some(struct flight *f)
{
	ssize_t n = recv(f->fd, f->buf + f->got, sizeof(f->buf) - f->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n < 0) {
		error_explain(f, errno);
		return true;
	}
	f->got += (size_t)n;
	return flight_judge(f, n == 0);
}

/* The connection is made, or failed. */
static bool connected(struct flight *f)
{
	int err = 0;
	socklen_t size = sizeof(err);
	if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0) {
		err = errno;
	}
	if (err) {
		error_explain(f, err);
		return true;
	}
	note_source(f);
	if (f->probe->way == WAY_TCP) {
		return flight_judge(f, false);
	}
	f->stage = FLIGHT_SENDING;
	return send_some(f);
}

static bool go_on(struct flight *f)
{
	switch (f->stage) {
	case FLIGHT_CONNECTING:
		return connected(f);
	case FLIGHT_SENDING:
		return send_some(f);
	case FLIGHT_WAITING:
		break;
	}
	return receive_some(f);
}

static bool start(struct flight *f)
{
	struct sockaddr_storage to = { 0 };
	socklen_t size = make_address(f->probe, &to);
	bool tcp = is_tcp(f);
	f->fd = socket(f->probe->addr.family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0) {
		f->out->end = TRY_FAILED;
		f->out->error = errno;
		return true;
	}
	error_prepare(f->fd, f->probe->addr.family);
	f->stage = FLIGHT_CONNECTING;
	flight_compose(f);
	if (connect(f->fd, (struct sockaddr *)&to, size) == 0) {
		note_source(f);
		f->stage = FLIGHT_SENDING;
		return f->probe->way == WAY_TCP ? flight_judge(f, false) : send_some(f);
	}
	if (errno == EINPROGRESS) {
		note_source(f);
		return false;
	}
	error_explain(f, errno);
	return true;
}

static void land(struct flight *f, int64_t now)
{
	f->out->us = (uint32_t)MIN(now - f->since_us, (int64_t)UINT32_MAX);
	fd_close(&f->fd);
}

/* Silence, unless an ICMP error came that the kernel only took note of. */
static void expire(struct flight *f)
{
	error_explain(f, ETIMEDOUT);
}

/* ---- all tries ---- */

/* The next try to make: one round over all before the next, so that a slow address holds up the others as little as may be. */
static bool next_try(struct launcher *l, const struct probe **ret, struct snap_try **ret_out)
{
	for (; l->round < l->rounds; l->round++, l->next = 0) {
		while (l->next < l->n) {
			struct probe *p = &l->v[l->next++];
			if (l->round < p->count) {
				*ret = p;
				*ret_out = &p->tries[l->round];
				return true;
			}
		}
	}
	return false;
}

static bool is_over(const struct launcher *l, int64_t now)
{
	return now >= l->until_us || (l->o->stop && *l->o->stop);
}

static void launch(struct launcher *l)
{
	const struct probe *p;
	struct snap_try *out;
	while (l->nflights < l->o->parallel && !is_over(l, clock_us()) && next_try(l, &p, &out)) {
		struct flight *f = &l->flights[l->nflights];
		int64_t now = clock_us();
		*f = (struct flight){ .probe = p, .out = out, .fd = -1, .since_us = now, .until_us = now + l->o->try_ms * 1000 };
		f->id = l->last_id += 257;
		*out = (struct snap_try){ 0 };
		if (start(f)) {
			land(f, clock_us());
		} else {
			l->nflights++;
		}
	}
}

static short wants(const struct flight *f)
{
	return f->stage == FLIGHT_WAITING ? POLLIN : POLLOUT;
}

static int wait_for_some(struct launcher *l, struct pollfd *polls)
{
	int64_t now = clock_us(), next = now + LOOK_MS * 1000;
	for (size_t i = 0; i < l->nflights; i++) {
		polls[i] = (struct pollfd){ .fd = l->flights[i].fd, .events = wants(&l->flights[i]) };
		next = MIN(next, l->flights[i].until_us);
	}
	int ms = next > now ? (int)((next - now + 999) / 1000) : 0;
	return poll(polls, (nfds_t)l->nflights, ms) < 0 && errno != EINTR ? -errno : 0;
}

/* Those that have ended make room; what the whole time does not suffice for was not made. */
static void sweep(struct launcher *l, const struct pollfd *polls)
{
	int64_t now = clock_us();
	size_t kept = 0;
	bool over = is_over(l, now);
	for (size_t i = 0; i < l->nflights; i++) {
		struct flight *f = &l->flights[i];
		bool ended = polls[i].revents && go_on(f);
		if (!ended && now >= f->until_us) {
			expire(f);
			ended = true;
		} else if (!ended && over) {
			*f->out = (struct snap_try){ .end = TRY_NOT_MADE };
			ended = true;
		}
		if (ended) {
			land(f, now);
		} else if (kept++ != i) {
			l->flights[kept - 1] = *f;
		}
	}
	l->nflights = kept;
}

static int fly(struct launcher *l)
{
	struct pollfd *polls = calloc(l->o->parallel, sizeof(*polls));
	int r = polls ? 0 : -ENOMEM;
	while (r == 0) {
		launch(l);
		if (l->nflights == 0) {
			break;
		}
		r = wait_for_some(l, polls);
		if (r == 0) {
			sweep(l, polls);
		}
	}
	for (size_t i = 0; i < l->nflights; i++) {
		fd_close(&l->flights[i].fd);
	}
	free(polls);
	return r;
}

int probe_run(struct probe *v, size_t n, const struct probe_options *o)
{
	struct launcher l = { .v = v, .n = n, .o = o };
	if (o->parallel == 0 || o->parallel > PROBE_PARALLEL_MAX || o->try_ms <= 0) {
		return -EINVAL;
	}
	l.until_us = o->all_ms > 0 ? clock_us() + MIN(o->all_ms, INT64_MAX / 4000) * 1000 : INT64_MAX;
	l.last_id = (uint16_t)clock_us();
	for (size_t i = 0; i < n; i++) {
		l.rounds = MAX(l.rounds, v[i].count);
	}
	l.flights = calloc(o->parallel, sizeof(*l.flights));
	int r = l.flights ? fly(&l) : -ENOMEM;
	free(l.flights);
	return r;
}

/* ---- who sends ---- */

static int by_value(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

static bool own_address(const struct ifaddrs *i, struct ip_addr *ret)
{
	*ret = (struct ip_addr){ 0 };
	if (!i->ifa_addr) {
		return false;
	}
	if (i->ifa_addr->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, i->ifa_addr, sizeof(v4));
		ret->family = AF_INET;
		memcpy(ret->b, &v4.sin_addr, 4);
	} else if (i->ifa_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, i->ifa_addr, sizeof(v6));
		ret->family = AF_INET6;
		memcpy(ret->b, &v6.sin6_addr, 16);
	}
	return ret->family && !ip_addr_is_loopback(ret) && !ip_addr_is_linklocal(ret);
}

int probe_own_addresses(struct arena *arena, struct ip_addr **ret, size_t *ret_n)
{
	struct ifaddrs *all = NULL;
	struct ip_addr a;
	size_t n = 0, room = 0;
	if (getifaddrs(&all) < 0) {
		return -errno;
	}
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		room += own_address(i, &a);
	}
	struct ip_addr *v = arena_array(arena, struct ip_addr, room + 1);
	for (const struct ifaddrs *i = all; v && i; i = i->ifa_next) {
		if (own_address(i, &a) && n < room) {
			v[n++] = a;
		}
	}
	freeifaddrs(all);
	if (!v) {
		return -ENOMEM;
	}
	qsort(v, n, sizeof(*v), by_value);
	*ret = v;
	*ret_n = n;
	return 0;
}
