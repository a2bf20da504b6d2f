/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endings: comparing, joining those of one fate, and the names of the contract. */
#include <math.h>

#include "nat-private.h"

#define WEIGHT_EPSILON 1e-12

void nat_result_init(struct nat_result *r)
{
	*r = (struct nat_result){ 0 };
}

void nat_result_release(struct nat_result *r)
{
	arena_release(&r->arena);
	array_free(&r->endings);
	array_free(&r->assumed);
}

void nat_result_reset(struct nat_result *r)
{
	arena_reset(&r->arena);
	r->endings.len = 0;
	r->assumed.len = 0;
	r->asked_recent = false;
	r->nsteps = 0;
}

const char *nat_by_kind_name(enum nat_by_kind k)
{
	static const char *const names[] = { "", "rule", "policy", "ipvs", "set", "route", "sysctl", "link", "bridge",
					     "conntrack", "kernel" };

	return names[k];
}

const char *nat_verdict_name(enum nat_verdict v)
{
	static const char *const names[] = { "accept", "reject", "drop", "undecided" };

	return names[v];
}

const char *nat_delivery_name(enum nat_delivery d)
{
	static const char *const names[] = { "unknown", "local", "sent", "lost" };

	return names[d];
}

const char *nat_effect_name(enum nat_effect e)
{
	static const char *const names[] = { "jump", "goto", "return", "accept", "drop", "reject", "dnat", "snat", "mark",
					     "notrack", "route", "lost", "chance", "assume", "enter", "undecided" };

	return names[e];
}

bool nat_by_equal(const struct nat_by *a, const struct nat_by *b)
{
	if (a->kind != b->kind || a->rule != b->rule || a->chain != b->chain || a->elem != b->elem || a->server != b->server)
		return false;
	return a->text == b->text || (a->text && b->text && strcmp(a->text, b->text) == 0);
}

bool nat_same_fate(const struct nat_ending *a, const struct nat_ending *b)
{
	return a->verdict == b->verdict && a->translated == b->translated && ip_addr_equal(&a->addr, &b->addr) &&
	       a->port == b->port && a->masquerade == b->masquerade;
}

static int cmp_int(long a, long b)
{
	return a < b ? -1 : a > b;
}

static int cmp_text(const char *a, const char *b)
{
	if (a == b || !a || !b)
		return cmp_int(a != NULL, b != NULL);
	return strcmp(a, b);
}

/* Order by the rules' place in the dump, so that output does not depend on where memory lies. */
static int cmp_by(const struct nat_by *a, const struct nat_by *b)
{
	int c = cmp_int(a->kind, b->kind);

	if (c == 0 && a->chain != b->chain) {
		if (!a->chain || !b->chain)
			return a->chain ? 1 : -1;
		c = cmp_int(a->chain->table->backend, b->chain->table->backend);
		if (c == 0)
			c = strcmp(a->chain->table->name, b->chain->table->name);
		if (c == 0)
			c = strcmp(a->chain->name, b->chain->name);
	}
	if (c == 0 && a->rule != b->rule)
		c = !a->rule ? -1 : !b->rule ? 1 : cmp_int(a->rule->index, b->rule->index);
	return c ? c : cmp_text(a->text, b->text);
}

static const struct nat_assume *skip_moot(const struct nat_assume *a)
{
	while (a && a->moot)
		a = a->next;
	return a;
}

/* Up to @stop_a and @stop_b, which are in the lists, or NULL: to their ends. */
static int cmp_assumes(const struct nat_assume *a, const struct nat_assume *stop_a, const struct nat_assume *b,
		       const struct nat_assume *stop_b)
{
	a = skip_moot(a);
	b = skip_moot(b);
	while (a && b && a != stop_a && b != stop_b && a != b) {
		int c = cmp_by(&a->by, &b->by);

		if (c == 0)
			c = cmp_int(b->value, a->value);
		if (c)
			return c;
		a = skip_moot(a->next);
		b = skip_moot(b->next);
	}
	return a == b ? 0 : cmp_int(a && a != stop_a, b && b != stop_b);
}

/* What the rules and the delivery make of it, without who decided and what was assumed. */
static int cmp_fate(const struct nat_ending *a, const struct nat_ending *b)
{
	int c = cmp_int(a->verdict, b->verdict);

	if (c == 0)
		c = cmp_int(b->translated, a->translated);
	if (c == 0)
		c = ip_addr_cmp(&a->addr, &b->addr);
	if (c == 0)
		c = cmp_int(a->port, b->port);
	if (c == 0)
		c = cmp_int(a->masquerade, b->masquerade);
	if (c == 0)
		c = ip_addr_cmp(&a->source, &b->source);
	if (c == 0)
		c = cmp_int(a->delivery, b->delivery);
	if (c == 0)
		c = cmp_text(a->interface, b->interface);
	if (c == 0)
		c = cmp_int(a->reply, b->reply);
	return c ? c : cmp_text(a->reject_with, b->reject_with);
}

double nat_fate_hash(const struct nat_ending *e)
{
	const char *iface = e->interface ? e->interface : "", *with = e->reject_with ? e->reject_with : "";
	struct {
		struct ip_addr addr, source;
		uint16_t port;
		uint8_t verdict, translated, masquerade, delivery, reply;
		uint32_t iface, with;
	} key;
	uint32_t h;

	memset(&key, 0, sizeof(key));
	key.addr = e->addr;
	key.source = e->source;
	key.port = e->port;
	key.verdict = (uint8_t)e->verdict;
	key.translated = e->translated;
	key.masquerade = e->masquerade;
	key.delivery = (uint8_t)e->delivery;
	key.reply = (uint8_t)e->reply;
	key.iface = hash_bytes(iface, strlen(iface));
	key.with = hash_bytes(with, strlen(with));
	h = hash_bytes(&key, sizeof(key));
	return h / 4294967296.0;
}

static int cmp_join(const void *pa, const void *pb)
{
	const struct nat_ending *a = pa, *b = pb;
	int c = cmp_fate(a, b);

	if (c == 0)
		c = cmp_assumes(a->assumes, NULL, b->assumes, NULL);
	return c ? c : cmp_by(&a->by, &b->by);
}

static int cmp_show(const void *pa, const void *pb)
{
	const struct nat_ending *a = pa, *b = pb;
	int c = cmp_assumes(a->assumes, NULL, b->assumes, NULL);

	if (c == 0 && fabs(a->weight - b->weight) > 1e-7)
		c = a->weight > b->weight ? -1 : 1;
	return c ? c : cmp_join(a, b);
}

void nat_sort_join(struct nat_result *r, size_t from)
{
	size_t n = r->endings.len - from, k = 0;
	struct nat_ending *e;

	if (n == 0)
		return;
	e = r->endings.v + from;
	qsort(e, n, sizeof(*e), cmp_join);
	for (size_t i = 1; i < n; i++) {
		if (cmp_join(&e[k], &e[i]) == 0)
			e[k].weight += e[i].weight;
		else
			e[++k] = e[i];
	}
	r->endings.len = from + k + 1;
	qsort(e, k + 1, sizeof(*e), cmp_show);
}

/* Within one run all lists go on alike behind its own assumption, so comparing them whole gives the order of their beginnings. */
static int cmp_fate_sort(const void *pa, const void *pb)
{
	const struct nat_ending *a = pa, *b = pb;
	int c = cmp_fate(a, b);

	return c ? c : cmp_assumes(a->assumes, NULL, b->assumes, NULL);
}

/* Weight of all endings from @i that share fate and assumptions of @i; @i moves behind them. */
static double same_run(const struct nat_ending *e, size_t *i, size_t end)
{
	size_t first = *i;
	double sum = 0;

	for (; *i < end && cmp_fate_sort(&e[first], &e[*i]) == 0; ++*i)
		sum += e[*i].weight;
	return sum;
}

static bool same_weight(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= WEIGHT_EPSILON;
}

bool nat_same_endings(struct nat_result *r, size_t a, size_t b, size_t end, const struct nat_assume *stop_a,
		      const struct nat_assume *stop_b)
{
	struct nat_ending *e = r->endings.v;
	size_t i = a, j = b;

	if (b == a || end == b)
		return b == a && end == b;
	qsort(e + a, b - a, sizeof(*e), cmp_fate_sort);
	qsort(e + b, end - b, sizeof(*e), cmp_fate_sort);
	while (i < b && j < end) {
		if (cmp_fate(&e[i], &e[j]) != 0 || cmp_assumes(e[i].assumes, stop_a, e[j].assumes, stop_b) != 0)
			return false;
		if (!same_weight(same_run(e, &i, b), same_run(e, &j, end)))
			return false;
	}
	return i == b && j == end;
}
