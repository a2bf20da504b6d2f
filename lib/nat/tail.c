/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tails: what becomes of a packet behind its translation, remembered. Tens of thousands of endpoints share a few hundred
 * ways through routing, FORWARD and POSTROUTING, so the way is walked once for each kind of destination and then looked up.
 *
 * It is sound because everything that the way asks is either in the key (mark, protocol, what conntrack knows, the seed of
 * the source), or cut into the classes of destinations and ports here (every address and port that a condition, a route or
 * a routing rule names bounds a class), or was noted while walking and is asked again (source address, interface, what is looked up in
 * sets and maps of nftables by addresses, protocol and destination port). A way
 * that asks anything else, that splits, or that ends in several ways, is spoiled: it is never looked up, always walked. So is
 * that of a client here to itself, which hangs on its own bridge port; other clients are taken to have ports of their own.
 */
#include <errno.h>

#include "nat-private.h"

struct tail_key {
	uint32_t dst, port; /* classes */
	uint32_t mark, ctmark, seed;
	uint16_t sport;
	uint8_t proto, hook, plan_pos, flags;
	uint8_t here; /* enum tri: is the destination attached to this node? */
	bool self;    /* it is the client */
	const char *oif;
	struct nat_key src; /* a walk without classes is of this source alone */
	const char *iif;
};

struct tail_question {
	const struct rs_cond *cond; /* of the source's address, or of the interface; NULL: which interface it is */
	const struct rs_rule *by;
	const char *iif;	    /* of the packet that was asked */
	bool about_iif, answer;
	/* nftables: what was looked up, and what of it was found; lookup NULL: one of the above */
	const struct rs_lookup *lookup;
	const struct rs_elem *found;
};

struct tail {
	struct tail *next;
	struct tail_key key;
	const struct tail_question *questions;
	size_t nquestions;
	bool spoiled;
	bool keeps_source;
	struct nat_ending ending; /* destination and weight are the packet's */
};

struct classes_of {
	struct nat_key *starts; /* sorted; the first is zero */
	uint32_t *starts4;	/* the same of IPv4 and of ports, which need half of it */
	size_t len;
};

/* The first route of the node's own packets: to each class of destinations, from each of its addresses. */
#define ROUTES 64u /* 2 to the 6: the top bits of a product */
struct known_route {
	bool set;
	uint32_t dst, mark, family;
	struct ip_addr src;
	struct node_route_result result;
};

struct nat_tails {
	struct arena arena;
	struct known_route routes[ROUTES];
	struct classes_of dst[2], ports;
	struct tail **buckets;
	uint32_t mask;
	size_t len;
	/* while a way is walked for the first time */
	bool recording, spoiled;
	ARRAY_OF(struct tail_question) asked;
	int error;
};

/* ---- classes of destinations and ports ---- */

struct starts {
	ARRAY_OF(struct nat_key) v;
	int error;
};

static void add_start(struct starts *s, struct nat_key k)
{
	if (array_push(&s->v, k) < 0)
		s->error = -ENOMEM;
}

static void add_range(struct starts *s, struct nat_range r)
{
	struct nat_key next = nat_key_next(r.last);

	add_start(s, r.first);
	if (next.hi || next.lo)
		add_start(s, next);
}

static void add_prefix(struct starts *s, const struct ip_prefix *p, int family)
{
	if (p->addr.family == family)
		add_range(s, nat_range_of(p));
}

static void add_cond(struct starts *addrs, struct starts *ports, int family, const struct rs_cond *c)
{
	struct ip_addr any = { .family = (uint8_t)family };
	struct nat_range r;

	switch ((enum rs_field)c->field) {
	case FIELD_SADDR:
	case FIELD_DADDR:
	case FIELD_CT_ORIG_SADDR:
	case FIELD_CT_REPL_SADDR:
		if (nat_cond_range(c, &any, &r))
			add_range(addrs, r);
		break;
	case FIELD_SPORT:
	case FIELD_DPORT:
	case FIELD_PORT:
	case FIELD_CT_REPL_SPORT:
		for (uint32_t i = 0; c->op == OP_LIST && i < c->u.list->len; i++)
			add_range(ports, (struct nat_range){ { 0, c->u.list->v[i].lo }, { 0, c->u.list->v[i].hi } });
		if (c->op == OP_EQ || c->op == OP_RANGE)
			add_range(ports, (struct nat_range){ { 0, c->u.range.lo }, { 0, c->op == OP_EQ ? c->u.range.lo : c->u.range.hi } });
		break;
	default:
		break;
	}
}

/* All that a packet can meet behind its translation: every base chain but those that translate destinations, and what they lead to. */
static int add_chains(const struct nat_node *n, unsigned f, struct starts *addrs, struct starts *ports)
{
	CLEANUP(map_release) struct map seen = { 0 };
	ARRAY_OF(const struct rs_chain *) todo = { 0 };
	int r = 0;

	for (unsigned h = 0; h < HOOK_COUNT; h++)
		for (unsigned i = 0; r == 0 && i < n->plan[f][h].n; i++)
			if (n->plan[f][h].chain[i]->type != CHAIN_NAT || (h != HOOK_PREROUTING && h != HOOK_OUTPUT))
				r = array_push(&todo, n->plan[f][h].chain[i]);
	while (r == 0 && todo.len) {
		const struct rs_chain *c = todo.v[--todo.len];

		for (uint32_t i = 0; r == 0 && i < c->nrules; i++) {
			const struct rs_rule *rule = c->rules[i];

			for (unsigned k = 0; k < rule->nconds; k++)
				add_cond(addrs, ports, f ? AF_INET6 : AF_INET, &rule->conds[k]);
			for (unsigned k = 0; r == 0 && k < rule->nstmts; k++) {
				const struct rs_stmt *s = &rule->stmts[k];
				const struct rs_chain *const *target = &s->u.target;

				if ((s->kind != ST_JUMP && s->kind != ST_GOTO) || !*target || map_get(&seen, target, sizeof(*target)))
					continue;
				r = map_put(&seen, target, sizeof(*target), (void *)(uintptr_t)1);
				if (r == 0)
					r = array_push(&todo, *target);
			}
		}
	}
	array_free(&todo);
	return r;
}

static void add_facts(const struct node_facts *n, int family, struct starts *s)
{
	static const char *const special[] = { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "224.0.0.0/24", "255.255.255.255/32",
					       "::/128", "::1/128", "fe80::/10", "ff00::/8", "::ffff:0:0/96" };
	struct ip_prefix p;

	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (ip_prefix_parse(special[i], &p) == 0)
			add_prefix(s, &p, family);
	for (size_t i = 0; i < n->routes.len; i++) {
		add_prefix(s, &n->routes.v[i].dst, family);
		add_prefix(s, &n->routes.v[i].from, family);
	}
	for (size_t i = 0; i < n->rules.len; i++) {
		add_prefix(s, &n->rules.v[i].src, family);
		add_prefix(s, &n->rules.v[i].dst, family);
	}
	for (size_t i = 0; i < n->addrs.len; i++) {
		p = (struct ip_prefix){ n->addrs.v[i].addr, n->addrs.v[i].plen };
		add_prefix(s, &p, family);
		p.len = (uint8_t)(ip_addr_size(&p.addr) * 8);
		add_prefix(s, &p, family);
		p.addr = ip_prefix_last(&(struct ip_prefix){ n->addrs.v[i].addr, n->addrs.v[i].plen });
		add_prefix(s, &p, family);
		p.addr = n->addrs.v[i].peer;
		add_prefix(s, &p, family);
	}
	for (size_t i = 0; i < n->claimed.len; i++) {
		p = (struct ip_prefix){ n->claimed.v[i], (uint8_t)(ip_addr_size(&n->claimed.v[i]) * 8) };
		add_prefix(s, &p, family);
	}
}

static int cmp_keys(const void *a, const void *b)
{
	return nat_key_cmp(*(const struct nat_key *)a, *(const struct nat_key *)b);
}

/* Sorted, each once, in the arena. */
static int close_starts(struct nat_tails *t, struct starts *s, struct classes_of *ret)
{
	size_t k = 0;

	add_start(s, (struct nat_key){ 0, 0 });
	if (s->error == 0) {
		qsort(s->v.v, s->v.len, sizeof(*s->v.v), cmp_keys);
		for (size_t i = 1; i < s->v.len; i++)
			if (nat_key_cmp(s->v.v[k], s->v.v[i]) != 0)
				s->v.v[++k] = s->v.v[i];
		ret->len = k + 1;
		ret->starts = arena_array(&t->arena, struct nat_key, ret->len);
		ret->starts4 = arena_array(&t->arena, uint32_t, ret->len);
		if (!ret->starts || !ret->starts4)
			s->error = -ENOMEM;
		for (size_t i = 0; s->error == 0 && i < ret->len; i++) {
			ret->starts[i] = s->v.v[i];
			ret->starts4[i] = (uint32_t)s->v.v[i].lo;
		}
	}
	array_free(&s->v);
	return s->error;
}

static uint32_t class_of4(const struct classes_of *c, uint32_t v)
{
	const uint32_t *at = c->starts4;
	size_t n = c->len;

	while (n > 1) {
		size_t half = n / 2;

		at = at[half] <= v ? at + half : at;
		n -= half;
	}
	return (uint32_t)(at - c->starts4);
}

static uint32_t class_of(const struct classes_of *c, struct nat_key k)
{
	size_t lo = 0, n = c->len;

	while (n > 1) {
		size_t half = n / 2;

		if (nat_key_cmp(c->starts[lo + half], k) <= 0)
			lo += half;
		n -= half;
	}
	return (uint32_t)lo;
}

static uint32_t class_of_addr(const struct nat_tails *t, const struct ip_addr *a)
{
	struct nat_key k = nat_key_of(a);

	return a->family == AF_INET ? class_of4(&t->dst[0], (uint32_t)k.lo) : class_of(&t->dst[1], k);
}

#define BUCKETS_MIN 1024u

int nat_tails_new(const struct nat_node *node, struct nat_tails **ret)
{
	struct nat_tails *t = calloc(1, sizeof(*t));
	struct starts ports = { 0 };
	int r = 0;

	if (!t)
		return -ENOMEM;
	for (unsigned f = 0; r == 0 && f < 2; f++) {
		struct starts addrs = { 0 };

		add_facts(node->facts, f ? AF_INET6 : AF_INET, &addrs);
		r = add_chains(node, f, &addrs, &ports);
		if (r == 0)
			r = close_starts(t, &addrs, &t->dst[f]);
		else
			array_free(&addrs.v);
	}
	if (r == 0)
		r = close_starts(t, &ports, &t->ports);
	else
		array_free(&ports.v);
	t->mask = BUCKETS_MIN - 1;
	t->buckets = calloc(BUCKETS_MIN, sizeof(*t->buckets));
	if (r < 0 || !t->buckets) {
		nat_tails_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void nat_tails_free(struct nat_tails *t)
{
	if (!t)
		return;
	free(t->buckets);
	array_free(&t->asked);
	arena_release(&t->arena);
	free(t);
}

/* ---- noting what a way asks ---- */

void nat_tails_spoil(struct walk *w)
{
	if (w->tails)
		w->tails->spoiled = true;
}

bool nat_tails_noting(const struct walk *w)
{
	return w->tails && w->tails->recording;
}

void nat_tails_note(struct walk *w, const struct rs_cond *c, const struct rs_rule *by, const char *iif, bool about_iif, bool answer)
{
	struct nat_tails *t = w->tails;

	if (!t || !t->recording)
		return;
	if (array_push(&t->asked, ((struct tail_question){ .cond = c, .by = by, .iif = iif, .about_iif = about_iif, .answer = answer })) < 0)
		t->error = -ENOMEM;
}

void nat_tails_note_lookup(struct walk *w, const struct rs_lookup *l, const struct rs_rule *by, const struct rs_elem *found)
{
	struct nat_tails *t = w->tails;

	if (!t || !t->recording)
		return;
	if (array_push(&t->asked, ((struct tail_question){ .by = by, .lookup = l, .found = found })) < 0)
		t->error = -ENOMEM;
}

void nat_ask_iif(struct walk *w, const struct rs_cond *c, const struct rs_rule *by)
{
	const char *iif = w->packet->iif;

	if (!w->classes || w->packet->from_node)
		return;
	nat_classes_ask_iif(w->classes, iif, c, by);
	nat_tails_note(w, c, by, iif, true, c && iif && cond_match_ifname(c, iif));
}

void nat_ask_whether_iif(struct walk *w, const char *dev)
{
	struct arena *a = w->tails ? &w->tails->arena : &w->out->arena;
	struct rs_cond *c;

	/* Of one interface alone there is nothing to ask. */
	if (!w->classes || (w->classes->now.len < 2 && (!w->tails || !w->tails->recording)))
		return;
	c = arena_new(a, struct rs_cond);
	if (!c) {
		w->error = -ENOMEM;
		return;
	}
	*c = (struct rs_cond){ .field = FIELD_IIF, .op = OP_IFNAME, .u.ifname = dev };
	nat_ask_iif(w, c, NULL);
}

/* ---- looking up ---- */

static bool answers_alike(struct walk *w, const struct state *st, const struct tail_question *q)
{
	const struct rs_elem *found;

	if (q->lookup)
		return nat_lookup_again(w, st, q->by, q->lookup, &found) && (q->lookup->set->is_map ? found == q->found : !found == !q->found);
	if (!q->about_iif)
		return cond_match_addr(q->cond, &st->orig_src) == q->answer;
	if (!q->cond || !q->iif || !st->iif)
		return str_same(st->iif, q->iif);
	return cond_match_ifname(q->cond, st->iif) == q->answer;
}

static bool fits(struct walk *w, const struct tail *t, const struct tail_key *k, const struct state *st)
{
	if (memcmp(&t->key, k, sizeof(*k)) != 0)
		return false;
	for (size_t i = 0; i < t->nquestions; i++)
		if (!answers_alike(w, st, &t->questions[i]))
			return false;
	return true;
}

/* The region is cut as the way would have cut it. */
static void ask_again(struct walk *w, const struct state *st, const struct tail *t)
{
	for (size_t i = 0; w->classes && i < t->nquestions; i++) {
		const struct tail_question *q = &t->questions[i];
		struct nat_range range;

		if (q->lookup)
			continue; /* looking up has cut it */
		if (q->about_iif)
			nat_classes_ask_iif(w->classes, st->iif, q->cond, q->by);
		else if (nat_cond_range(q->cond, &st->orig_src, &range))
			nat_classes_ask(w->classes, &st->orig_src, &range, 1, q->by);
	}
}

static int take(struct walk *w, const struct state *st, const struct tail *t)
{
	struct nat_ending e = t->ending;

	e.addr = st->dst;
	e.port = st->dport;
	e.weight = st->weight;
	e.assumes = st->assumes;
	if (t->keeps_source)
		e.source = st->src;
	ask_again(w, st, t);
	return nat_push_ending(w, &e);
}

void nat_tails_route(struct walk *w, const struct node_route_query *q, struct node_route_result *ret)
{
	const struct nat_tails *t = w->tails;
	uint32_t dst = class_of_addr(t, &q->dst);
	struct nat_key src = nat_key_of(&q->src);
	struct known_route *k = &w->tails->routes[((src.lo ^ src.hi ^ dst) * 0x9e3779b97f4a7c15ull) >> 58];

	if (!k->set || k->dst != dst || k->mark != q->mark || k->family != w->family_index || !ip_addr_equal(&k->src, &q->src)) {
		node_route_lookup(w->node->facts, q, &k->result);
		k->set = true;
		k->dst = dst;
		k->mark = q->mark;
		k->family = w->family_index;
		k->src = q->src;
	}
	*ret = k->result;
}

static void make_key(const struct walk *w, const struct state *st, struct tail_key *k)
{
	memset(k, 0, sizeof(*k));
	k->dst = class_of_addr(w->tails, &st->dst);
	k->port = class_of4(&w->tails->ports, st->dport);
	k->mark = st->mark;
	k->ctmark = st->ctmark;
	if (w->classes) {
		k->seed = w->classes->seed;
	} else {
		k->src = nat_key_of(&st->orig_src);
		k->iif = st->iif;
	}
	k->sport = st->sport;
	k->proto = st->proto;
	k->hook = (uint8_t)st->hook;
	k->plan_pos = st->plan_pos;
	k->flags = (uint8_t)(st->tracked | st->notrack << 1 | st->dnat << 2 | st->from_node << 3 | st->round << 4 | st->reroute << 5 |
			     st->dst_forced_local << 6 | (w->family_index & 1) << 7);
	k->oif = st->oif;
	k->self = ip_addr_equal(&st->orig_src, &st->dst);
	k->here = w->flags & NAT_REPLY ? (uint8_t)nat_is_attached(w, &st->dst) : TRI_UNKNOWN;
}

static uint32_t hash_key(const struct tail_key *k)
{
	uint64_t h = k->dst * 0x9e3779b97f4a7c15ull;

	h ^= k->src.lo ^ (k->port + ((uint64_t)k->mark << 20) + ((uint64_t)k->seed << 44) + ((uint64_t)k->hook << 56) + k->flags) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

static int grow(struct nat_tails *t)
{
	uint32_t mask = t->mask * 4 + 3;
	struct tail **b = calloc((size_t)mask + 1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	for (uint32_t i = 0; i <= t->mask; i++) {
		for (struct tail *e = t->buckets[i], *next; e; e = next) {
			struct tail **to = &b[hash_key(&e->key) & mask];

			next = e->next;
			e->next = *to;
			*to = e;
		}
	}
	free(t->buckets);
	t->buckets = b;
	t->mask = mask;
	return 0;
}

/* A loss is told with the first destination that met it. */
static int keep_texts(struct nat_tails *t, struct nat_ending *e)
{
	const char **texts[] = { &e->by.text, &e->lost.text, &e->reply_why, &e->reply_by.text };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!*texts[i])
			continue;
		*texts[i] = arena_strdup(&t->arena, *texts[i]);
		if (!*texts[i])
			return -ENOMEM;
	}
	e->path = NULL;
	e->assumes = NULL;
	return 0;
}

static int remember(struct nat_tails *t, const struct tail_key *k, const struct nat_ending *e)
{
	struct tail *n = arena_new(&t->arena, struct tail);
	struct tail_question *q = arena_array(&t->arena, struct tail_question, t->asked.len);
	struct tail **to;

	if (!n || !q || (t->len > 2 * (size_t)t->mask && grow(t) < 0))
		return -ENOMEM;
	if (t->asked.len)
		memcpy(q, t->asked.v, t->asked.len * sizeof(*q));
	*n = (struct tail){ .key = *k, .questions = q, .nquestions = t->asked.len, .spoiled = t->spoiled || !e };
	if (e) {
		n->ending = *e;
		n->keeps_source = !e->masquerade;
		if (keep_texts(t, &n->ending) < 0)
			return -ENOMEM;
	}
	to = &t->buckets[hash_key(k) & t->mask];
	n->next = *to;
	*to = n;
	t->len++;
	return 0;
}

#define TAILS_MAX 200000u

static bool to_itself_here(const struct walk *w, const struct state *st)
{
	return ip_addr_equal(&st->orig_src, &st->dst) && nat_is_attached(w, &st->dst) != TRI_FALSE;
}

bool nat_tails_apply(const struct walk *w, const struct state *st)
{
	return w->tails && !w->tails->recording && !w->open_splits && st->accept_by.kind == BY_NONE && st->dnat && !st->snat && !st->src_derived && st->src_known &&
	       !st->is_reply && !to_itself_here(w, st) && !st->stopped && !st->remembered && !st->changed_sets && !st->zone_rule && !st->lost && (st->proto == IPPROTO_TCP || st->proto == IPPROTO_UDP || st->proto == IPPROTO_SCTP);
}

int nat_tails_run(struct walk *w, struct state *st)
{
	struct nat_tails *t = w->tails;
	size_t before = w->out->endings.len;
	struct tail_key k;
	const struct tail *e;
	struct state copy;
	int r;

	make_key(w, st, &k);
	for (e = t->buckets[hash_key(&k) & t->mask]; e && !fits(w, e, &k, st); e = e->next)
		;
	if (e && !e->spoiled)
		return take(w, st, e);
	if (e || t->len >= TAILS_MAX) {
		copy = *st;
		copy.tail_passed = true;
		return nat_run(w, &copy);
	}
	t->recording = true;
	t->spoiled = false;
	t->asked.len = 0;
	copy = *st;
	copy.tail_passed = true;
	r = nat_run(w, &copy);
	t->recording = false;
	if (r == 0)
		r = t->error;
	if (r < 0)
		return r;
	return remember(t, &k, w->out->endings.len == before + 1 ? &w->out->endings.v[before] : NULL);
}
