/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer that a libc gets for a name at a place. glibc asks one server after the other and takes the first that says something; musl asks
 * all at once and takes the first to answer. A server that answered nothing at all is as silent to a name that it was not asked for.
 */
#include <ctype.h>
#include <errno.h>

#include "dns-plan-private.h"

enum { KEY_MAX = 1100 };

static size_t key_of(char buf[static KEY_MAX], const char *name, uint16_t type)
{
	size_t n = strlen(name);

	n -= n > 0 && name[n - 1] == '.';
	if (n > KEY_MAX - 16)
		return 0;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)tolower((unsigned char)name[i]);
	return n + (size_t)snprintf(buf + n, 16, " %u", type);
}

static int index_answer(struct dns_lookup *l, const struct dns_answer *a)
{
	char key[KEY_MAX], *copy;
	size_t n = a->q.name ? key_of(key, a->q.name, a->q.type) : 0;
	struct dns_found *f = n ? map_get(&l->by_key, key, n) : NULL;

	if (n == 0 || a->end == DNS_NOT_ASKED || a->end == DNS_FAILED)
		return 0;
	if (!f) {
		f = arena_new(&l->arena, struct dns_found);
		copy = arena_strndup(&l->arena, key, n);
		if (!f || !copy || map_put(&l->by_key, copy, n, f) < 0)
			return -ENOMEM;
	}
	return array_push(&f->v, a);
}

static int index_server(struct dns_lookup *l, const struct dns_answer *a)
{
	struct dns_heard *h = map_get(&l->by_server, &a->q.server, sizeof(a->q.server));

	if (!a->q.server.family)
		return 0;
	if (!h) {
		h = arena_new(&l->arena, struct dns_heard);
		if (!h || map_put(&l->by_server, &a->q.server, sizeof(a->q.server), h) < 0)
			return -ENOMEM;
	}
	if (a->q.tcp)
		return 0;
	h->answered |= a->end == DNS_ANSWERED;
	if (a->end != DNS_ANSWERED && a->end != DNS_NOT_ASKED && a->end != DNS_FAILED)
		h->lost = a;
	return 0;
}

int dns_lookup_make(const struct snap_dns *from, struct dns_lookup *ret)
{
	ret->from = from;
	for (size_t i = 0; i < from->answers.len; i++)
		if (index_answer(ret, &from->answers.v[i]) < 0 || index_server(ret, &from->answers.v[i]) < 0)
			return -ENOMEM;
	return 0;
}

void dns_lookup_release(struct dns_lookup *l)
{
	for (size_t i = 0; i < l->by_key.cap; i++) {
		struct dns_found *f = l->by_key.v[i].value;

		if (f)
			array_free(&f->v);
	}
	map_release(&l->by_key);
	map_release(&l->by_server);
	arena_release(&l->arena);
}

const struct dns_found *dns_lookup_find(struct dns_lookup *l, const char *name, uint16_t type)
{
	char key[KEY_MAX];
	size_t n = key_of(key, name, type);

	return n ? map_get(&l->by_key, key, n) : NULL;
}

/* ---- what a libc takes ---- */

/* glibc goes on to the next server after these, and remembers them (resolv/res_send.c). musl takes no such answer for one (res_msend.c). */
static bool says_something(const struct dns_answer *a)
{
	return a->end == DNS_ANSWERED && (a->rcode == DNS_NOERROR || a->rcode == DNS_NXDOMAIN);
}

static bool of_server(const struct dns_answer *a, const struct ip_addr *server)
{
	return !server || !a->q.server.family || ip_addr_equal(&a->q.server, server);
}

/* Of several answers of one server to one question, what the libc gets: over TCP what was cut over UDP, and the last of several tries. */
static const struct dns_answer *of_one(const struct dns_found *f, const struct ip_addr *server, bool tcp_first)
{
	const struct dns_answer *udp = NULL, *tcp = NULL;

	for (size_t i = 0; f && i < f->v.len; i++) {
		const struct dns_answer *a = f->v.v[i];

		if (!of_server(a, server) || (a->q.pair && udp))
			continue;
		if (a->q.tcp)
			tcp = a;
		else if (!udp || !says_something(udp))
			udp = a;
	}
	if (tcp && (tcp_first || !udp || (udp->end == DNS_ANSWERED && udp->tc)))
		return tcp;
	return udp;
}

/* A question to this server that was not answered, though others were asked of it: as far as one can tell it answers nothing. */
static const struct dns_answer *silence(const struct dns_lookup *l, const struct ip_addr *server)
{
	const struct dns_heard *h = map_get(&l->by_server, server, sizeof(*server));

	return h && !h->answered ? h->lost : NULL;
}

static const struct dns_answer *by_order(struct dns_lookup *l, const struct dns_found *f)
{
	const struct dns_answer *bad = NULL;

	for (size_t i = 0; i < l->view->nservers; i++) {
		const struct ip_addr *s = &l->view->servers[i];
		const struct dns_answer *a = of_one(f, s, l->view->use_vc);

		a = a ? a : silence(l, s);
		if (!a)
			return NULL; /* it is not known what this one says */
		if (says_something(a))
			return a;
		/* what was answered badly tells more than silence */
		bad = bad && (bad->end == DNS_ANSWERED || a->end != DNS_ANSWERED) ? bad : a;
	}
	return bad;
}

static const struct dns_answer *fastest(struct dns_lookup *l, const struct dns_found *f)
{
	const struct dns_answer *best = NULL, *bad = NULL;
	bool unknown = false;

	for (size_t i = 0; i < l->view->nservers; i++) {
		const struct ip_addr *s = &l->view->servers[i];
		const struct dns_answer *a = of_one(f, s, l->view->use_vc);

		a = a ? a : silence(l, s);
		unknown |= !a;
		if (a && says_something(a) && (!best || a->us < best->us))
			best = a;
		bad = bad || !a ? bad : a;
	}
	return best ? best : unknown ? NULL : bad;
}

static bool asked_any(const struct dns_lookup *l)
{
	for (size_t j = 0; j < l->view->nservers; j++)
		if (map_get(&l->by_server, &l->view->servers[j], sizeof(l->view->servers[j])))
			return true;
	return false;
}

const struct dns_answer *dns_lookup_answer(void *arg, const char *name, uint16_t type)
{
	struct dns_lookup *l = arg;
	const struct dns_found *f = dns_lookup_find(l, name, type);

	/* answers of which nobody says by which server, or only of servers that were asked instead of those of resolv.conf */
	if (!l->view || !asked_any(l))
		return of_one(f, NULL, false);
	return l->view->libc == LIBC_MUSL ? fastest(l, f) : by_order(l, f);
}
