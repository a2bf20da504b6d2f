/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables' lookups: the key that a rule makes from the packet, the elements of a set or map that it may meet, and what becomes
 * of the rule. A key that is known meets one element or none. With chance in it (numgen) each element has its weight, with a hash
 * a share that is not known. Where a part is not known the elements that it may be are followed one by one.
 *
 * A key that asks for the client is asked for all its class: the set is projected on what is known of the packet, and the sources
 * that its elements name cut the class.
 */
#include <errno.h>
#include <math.h>

#include "nat-private.h"

/* More elements than these for one key that is not known: undecided. */
#define CANDIDATES_MAX 1024u

bool nat_is_native(const struct rs_rule *r)
{
	return !r->chain->table->xtables;
}

/* ---- the key ---- */

static void set_num(struct rs_part *p, const struct rs_selector *sel, uint32_t v)
{
	p->num = (v & sel->mask) ^ sel->flip;
}

static void set_addr(struct rs_part *p, const struct rs_selector *sel, const struct ip_addr *a, bool known)
{
	struct ip_prefix prefix = { *a, sel->plen };
	uint32_t be32;

	if (!known) {
		p->how = PART_UNKNOWN;
	} else if (sel->kind == VALUE_ADDR4 && a->family == AF_INET) {
		memcpy(&be32, a->b, sizeof(be32));
		set_num(p, sel, ntohl(be32));
	} else if (sel->kind == VALUE_ADDR6 && a->family == AF_INET6) {
		p->addr = sel->plen < 128 ? ip_prefix_first(&prefix) : *a;
	} else {
		p->how = PART_UNKNOWN;
	}
}

static void set_name(struct rs_part *p, const char *name)
{
	p->how = name ? PART_KNOWN : PART_UNKNOWN;
	p->name = name;
}

static void set_port(const struct state *st, struct rs_part *p, const struct rs_selector *sel, uint16_t port)
{
	if (proto_has_ports(st->proto))
		set_num(p, sel, port);
	else
		p->how = PART_UNKNOWN; /* the same bytes of another header */
}

static void set_type(struct walk *w, const struct state *st, const struct rs_rule *r, struct rs_part *p, const struct rs_selector *sel)
{
	int type = nat_addr_type(w, st, (enum rs_field)sel->field, sel->flags, r);

	if (type < 0)
		p->how = PART_UNKNOWN;
	else
		set_num(p, sel, 1u << type); /* a bit ADDRTYPE_*, as conditions have it */
}

/* What conntrack knows; without a connection the rule ends there: nft_ct_get_eval(). False: it does. */
static bool set_conntrack(const struct state *st, struct rs_part *p, const struct rs_selector *sel)
{
	const struct state *c = nat_connection(st);
	uint32_t port;

	if (sel->field == FIELD_CT_STATE) {
		set_num(p, sel, nat_ct_state(st) & (CTSTATE_INVALID | CTSTATE_NEW | CTSTATE_ESTABLISHED | CTSTATE_RELATED | CTSTATE_UNTRACKED));
		return true;
	}
	if (!nat_has_connection(st))
		return false;
	switch ((enum rs_field)sel->field) {
	case FIELD_CT_STATUS:
		set_num(p, sel, nat_ct_status(st));
		break;
	case FIELD_CT_DIR:
		set_num(p, sel, st->request != NULL);
		break;
	case FIELD_CT_MARK:
		set_num(p, sel, st->ctmark);
		break;
	case FIELD_CT_PROTO:
		set_num(p, sel, c->proto);
		break;
	case FIELD_CT_ORIG_SADDR:
		set_addr(p, sel, &c->orig_src, true);
		break;
	case FIELD_CT_ORIG_DADDR:
		set_addr(p, sel, &c->orig_dst, true);
		break;
	case FIELD_CT_ORIG_SPORT:
	case FIELD_CT_ORIG_DPORT:
	case FIELD_CT_REPL_SPORT:
	case FIELD_CT_REPL_DPORT:
		if (nat_ct_port(st, (enum rs_field)sel->field, &port))
			set_num(p, sel, port);
		else
			p->how = PART_UNKNOWN;
		break;
	case FIELD_CT_REPL_SADDR:
		set_addr(p, sel, &c->dst, true);
		break;
	case FIELD_CT_REPL_DADDR:
		set_addr(p, sel, &c->src, c->src_known);
		break;
	default:
		p->how = PART_UNKNOWN;
	}
	return true;
}

/* One part of the key. False: the packet has no such thing, and the rule ends there. */
static bool make_part(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_selector *sel, struct rs_part *p)
{
	*p = (struct rs_part){ .how = PART_KNOWN };
	switch ((enum rs_field)sel->field) {
	case FIELD_SADDR:
		set_addr(p, sel, &st->src, st->src_known);
		return true;
	case FIELD_DADDR:
		set_addr(p, sel, &st->dst, !st->dst_hidden);
		return true;
	case FIELD_PROTO:
		set_num(p, sel, st->proto);
		return true;
	case FIELD_SPORT:
		set_port(st, p, sel, st->sport);
		return true;
	case FIELD_DPORT:
		set_port(st, p, sel, st->dport);
		return true;
	case FIELD_MARK:
		set_num(p, sel, st->mark);
		return true;
	case FIELD_NFPROTO:
		set_num(p, sel, st->dst.family == AF_INET ? 2 : 10);
		return true;
	case FIELD_ETHERTYPE:
		set_num(p, sel, st->dst.family == AF_INET ? 0x0800 : 0x86dd);
		return true;
	case FIELD_ICMP:
		if (st->proto != IPPROTO_ICMP && st->proto != IPPROTO_ICMPV6)
			return false;
		set_num(p, sel, (uint32_t)st->icmp_type << 8 | st->icmp_code);
		return true;
	case FIELD_IIF:
	case FIELD_OIF:
		set_name(p, nat_interface(w, st, (enum rs_field)sel->field, r));
		return true;
	case FIELD_SADDR_TYPE:
	case FIELD_DADDR_TYPE:
		set_type(w, st, r, p, sel);
		return true;
	case FIELD_NUMGEN:
	case FIELD_NUMGEN_INC:
	case FIELD_HASH:
		p->how = PART_ANY;
		return true;
	case FIELD_CT_STATE:
	case FIELD_CT_STATUS:
	case FIELD_CT_DIR:
	case FIELD_CT_MARK:
	case FIELD_CT_PROTO:
	case FIELD_CT_ORIG_SADDR:
	case FIELD_CT_ORIG_DADDR:
	case FIELD_CT_ORIG_SPORT:
	case FIELD_CT_ORIG_DPORT:
	case FIELD_CT_REPL_SADDR:
	case FIELD_CT_REPL_SPORT:
	case FIELD_CT_REPL_DADDR:
	case FIELD_CT_REPL_DPORT:
		return set_conntrack(st, p, sel);
	default:
		p->how = PART_UNKNOWN;
		return true;
	}
}

static bool make_key(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct rs_part *key)
{
	for (unsigned i = 0; i < l->nparts; i++)
		if (!make_part(w, st, r, &l->parts[i], &key[i]))
			return false;
	return true;
}

/* ---- the client ---- */

/* Does this part ask for the client, whom the packet or conntrack still shows as it was? */
static bool is_client_part(const struct state *st, const struct rs_selector *sel)
{
	if (sel->field == FIELD_CT_ORIG_SADDR)
		return true;
	return sel->field == (st->is_reply ? FIELD_DADDR : FIELD_SADDR);
}

static bool is_whole(const struct rs_selector *sel)
{
	return sel->kind == VALUE_ADDR6 ? sel->plen >= 128 : sel->mask == UINT32_MAX && sel->flip == 0;
}

bool nat_lookup_asks_client(const struct state *st, const struct rs_lookup *l)
{
	for (unsigned i = 0; i < l->nparts; i++)
		if (is_client_part(st, &l->parts[i]))
			return true;
	return false;
}

static struct nat_range range_of(enum rs_value_kind kind, const struct rs_value *v)
{
	if (kind == VALUE_ADDR6)
		return (struct nat_range){ nat_key_of(&v->u.addr6->lo), nat_key_of(&v->u.addr6->hi) };
	return (struct nat_range){ { 0, v->u.num.lo }, { 0, v->u.num.hi } };
}

static int cmp_ranges(const void *a, const void *b)
{
	return nat_key_cmp(((const struct nat_range *)a)->first, ((const struct nat_range *)b)->first);
}

/* Sorted and disjoint. */
static size_t join_ranges(struct nat_range *v, size_t n)
{
	size_t k = 0;

	qsort(v, n, sizeof(*v), cmp_ranges);
	for (size_t i = 1; i < n; i++) {
		if (nat_key_cmp(v[i].first, v[k].last) <= 0) {
			if (nat_key_cmp(v[k].last, v[i].last) < 0)
				v[k].last = v[i].last;
		} else {
			v[++k] = v[i];
		}
	}
	return n ? k + 1 : 0;
}

/*
 * A set narrows to the sources that its elements name, taken together; a map narrows by one element after the other, for each
 * may do something else.
 */
static int ask_elements(struct walk *w, const struct rs_rule *r, const struct rs_lookup *l, struct rs_part *key, unsigned part)
{
	enum rs_value_kind kind = (enum rs_value_kind)l->set->part_kinds[part];
	struct {
		struct nat_range *v;
		size_t len, cap;
	} ranges = { 0 };
	struct rs_cursor c = { 0 };
	const struct rs_elem *e;
	bool sure;
	int res = 0;

	key[part].how = PART_ANY;
	while (res == 0 && (e = rs_elem_next(l->set, key, &c, &sure)))
		if (e->keys && !(l->set->dynamic && e->has_timeout))
			res = array_push(&ranges, range_of(kind, &e->keys[part])) < 0 ? -ENOMEM : 0;
	key[part].how = PART_KNOWN;
	if (res == 0 && l->set->is_map) {
		for (size_t i = 0; i < ranges.len; i++)
			nat_classes_ask(w->classes, &w->packet->src, &ranges.v[i], 1, r);
	} else if (res == 0 && ranges.len) {
		struct nat_range *v = arena_array(&w->classes->arena, struct nat_range, ranges.len);
		size_t n = join_ranges(ranges.v, ranges.len);

		if (v)
			memcpy(v, ranges.v, n * sizeof(*v));
		if (v)
			nat_classes_ask(w->classes, &w->packet->src, v, n, r);
		else
			res = -ENOMEM;
	}
	array_free(&ranges);
	return res;
}

/* Narrows the class to those for whom the lookup says the same. */
static void ask_client(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct rs_part *key)
{
	unsigned part = 0, n = 0;

	for (unsigned i = 0; i < l->nparts; i++) {
		if (!is_client_part(st, &l->parts[i]))
			continue;
		if (!nat_client_shows(st, l->parts[i].field)) {
			if (nat_connection(st)->src_derived)
				nat_ask_alone(w, &w->packet->src, r);
			continue;
		}
		if (!is_whole(&l->parts[i]))
			n++;
		part = i;
		n++;
	}
	if (n == 1) {
		int res = ask_elements(w, r, l, key, part);

		if (res < 0)
			w->error = res;
	} else if (n > 1) {
		nat_ask_alone(w, &w->packet->src, r);
	}
}

/* ---- what this walk has put in, or taken out ---- */

struct nft_update {
	const struct nft_update *next;
	const struct rs_update *update;
	struct rs_part key[RS_KEY_PARTS];
};

int nat_do_update(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_update *u)
{
	struct nft_update *n = arena_new(&w->out->arena, struct nft_update);

	if (!n)
		return -ENOMEM;
	nat_tails_spoil(w);
	if (u->key.nparts > RS_KEY_PARTS || !make_key(w, st, r, &u->key, n->key))
		return 1;
	n->update = u;
	n->next = st->nft_updates;
	st->nft_updates = n;
	return 0;
}

static enum tri same_part(enum rs_value_kind kind, const struct rs_part *a, const struct rs_part *b)
{
	bool same;

	if (a->how != PART_KNOWN || b->how != PART_KNOWN)
		return TRI_UNKNOWN;
	if (kind == VALUE_ADDR6)
		same = ip_addr_equal(&a->addr, &b->addr);
	else if (kind == VALUE_NAME)
		same = a->name && b->name && strcmp(a->name, b->name) == 0;
	else
		same = a->num == b->num;
	return same ? TRI_TRUE : TRI_FALSE;
}

/* One of both keys is made of the client where the other is not: for each client the answer is its own. */
static bool mixes_clients(const struct state *st, const struct rs_lookup *l)
{
	for (const struct nft_update *u = st->nft_updates; u; u = u->next)
		for (unsigned i = 0; u->update->key.set == l->set && i < MIN(l->nparts, u->update->key.nparts); i++)
			if (l->parts[i].field != u->update->key.parts[i].field &&
			    (is_client_part(st, &l->parts[i]) || is_client_part(st, &u->update->key.parts[i])))
				return true;
	return false;
}

/* Has this walk put the key into the set (TRUE) or taken it out (FALSE)? UNKNOWN: it may have. -1: neither. */
static int updated(const struct state *st, const struct rs_lookup *l, const struct rs_part *key)
{
	for (const struct nft_update *u = st->nft_updates; u; u = u->next) {
		enum tri same = TRI_TRUE;

		if (u->update->key.set != l->set || u->update->key.nparts != l->nparts)
			continue;
		for (unsigned i = 0; i < l->nparts && same != TRI_FALSE; i++) {
			enum tri t = same_part((enum rs_value_kind)l->set->part_kinds[i], &u->key[i], &key[i]);

			same = t == TRI_TRUE ? same : t;
		}
		if (same == TRI_UNKNOWN)
			return TRI_UNKNOWN;
		if (same == TRI_TRUE)
			return u->update->is_delete ? TRI_FALSE : TRI_TRUE;
	}
	return -1;
}

/* ---- what is found ---- */

void nat_found_release(struct nat_found *f)
{
	array_free(f);
}

/* How many of the numbers that the selector makes fall into the range of the element. */
static uint64_t covered(const struct rs_selector *sel, const struct rs_value *v)
{
	uint64_t first = MAX((uint64_t)sel->offset, (uint64_t)v->u.num.lo);
	uint64_t last = MIN((uint64_t)sel->offset + sel->mod - 1, (uint64_t)v->u.num.hi);

	return sel->mod == 0 || first > last ? 0 : last - first + 1;
}

static const struct rs_selector *chance_part(const struct rs_lookup *l, unsigned *ret_part)
{
	for (unsigned i = 0; i < l->nparts; i++) {
		if (l->parts[i].field == FIELD_NUMGEN || l->parts[i].field == FIELD_NUMGEN_INC || l->parts[i].field == FIELD_HASH) {
			*ret_part = i;
			return &l->parts[i];
		}
	}
	return NULL;
}

static int find_by_chance(const struct rs_lookup *l, const struct rs_selector *sel, unsigned part, const struct rs_part *key, struct nat_found *ret)
{
	struct rs_cursor c = { 0 };
	const struct rs_elem *e;
	uint64_t left = sel->mod;
	bool sure;

	ret->by_hash = sel->field == FIELD_HASH;
	ret->by_chance = true;
	while ((e = rs_elem_next(l->set, key, &c, &sure))) {
		uint64_t n = e->keys ? covered(sel, &e->keys[part]) : left;

		if (!sure)
			ret->unsure = true;
		if (n == 0)
			continue;
		if (array_push(ret, ((struct nat_way){ e, sel->mod ? (double)n / sel->mod : 0 })) < 0)
			return -ENOMEM;
		left -= MIN(n, left);
	}
	/* The catch-all comes only where nothing else was found. */
	if (l->set->catch_all && left && !(ret->len && ret->v[ret->len - 1].elem == l->set->catch_all)) {
		if (array_push(ret, ((struct nat_way){ l->set->catch_all, sel->mod ? (double)left / sel->mod : 0 })) < 0)
			return -ENOMEM;
		left = 0;
	}
	ret->rest = sel->mod ? (double)left / sel->mod : 1;
	return 0;
}

static int find_by_key(const struct rs_lookup *l, const struct rs_part *key, struct nat_found *ret)
{
	struct rs_cursor c = { 0 };
	const struct rs_elem *e;
	bool sure;

	ret->rest = 1;
	while ((e = rs_elem_next(l->set, key, &c, &sure))) {
		/* What is in a dynamic set for a time is state of the past: of a first packet there is none. */
		if (l->set->dynamic && e->has_timeout)
			continue;
		if (ret->len >= CANDIDATES_MAX) {
			ret->too_many = true;
			return 0;
		}
		if (array_push(ret, ((struct nat_way){ e, 1 })) < 0)
			return -ENOMEM;
		if (sure) {
			ret->rest = 0;
			break;
		}
		ret->unsure = true;
	}
	return 0;
}

/* Of a request whose source still shows, by what stays as it is behind the translation: a tail can ask it again. */
static bool is_repeatable(const struct state *st, const struct rs_lookup *l)
{
	if (st->is_reply || l->set->dynamic || st->nft_updates)
		return false;
	for (unsigned i = 0; i < l->nparts; i++) {
		switch ((enum rs_field)l->parts[i].field) {
		case FIELD_SADDR:
			if (!nat_client_shows(st, l->parts[i].field))
				return false;
			break;
		case FIELD_DADDR:
		case FIELD_PROTO:
		case FIELD_DPORT:
		case FIELD_NFPROTO:
			break;
		default:
			return false;
		}
	}
	return true;
}

/* A tail that is being noted learns what was found, or that it cannot be used. */
static void note_for_tail(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, const struct nat_found *f)
{
	if (!nat_tails_noting(w))
		return;
	if (is_repeatable(st, l) && !f->unsure && !f->too_many && f->len < 2)
		nat_tails_note_lookup(w, l, r, f->len ? f->v[0].elem : NULL);
	else
		nat_tails_spoil(w);
}

static bool is_usable(const struct rs_lookup *l)
{
	return l->set && l->nparts == l->set->nfields && l->nparts <= RS_KEY_PARTS;
}

bool nat_lookup_again(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, const struct rs_elem **ret)
{
	struct rs_part key[RS_KEY_PARTS];
	struct rs_cursor c = { 0 };
	bool sure = true;

	*ret = NULL;
	if (!make_key(w, st, r, l, key))
		return false;
	if (w->classes)
		ask_client(w, st, r, l, key);
	*ret = rs_elem_next(l->set, key, &c, &sure);
	return sure && !(l->set->partly && !*ret);
}

int nat_lookup(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct nat_found *ret)
{
	struct rs_part key[RS_KEY_PARTS];
	const struct rs_selector *chance;
	unsigned part;
	int res, put;

	*ret = (struct nat_found){ .rest = 1 };
	if (!is_usable(l)) {
		nat_tails_spoil(w);
		ret->unsure = ret->too_many = true;
		return 0;
	}
	if (!make_key(w, st, r, l, key)) {
		nat_tails_spoil(w);
		ret->broken = true;
		return 0;
	}
	if (w->classes && mixes_clients(st, l))
		nat_ask_alone(w, &w->packet->src, r);
	put = updated(st, l, key);
	if (put >= 0) {
		nat_tails_spoil(w);
		ret->put = put == TRI_TRUE;
		ret->unsure = ret->too_many = put == TRI_UNKNOWN || (put == TRI_TRUE && l->set->is_map);
		ret->rest = ret->put ? 0 : 1;
		return 0;
	}
	if (w->classes)
		ask_client(w, st, r, l, key);
	chance = chance_part(l, &part);
	res = chance ? find_by_chance(l, chance, part, key, ret) : find_by_key(l, key, ret);
	/* An element that could not be read may be the one. */
	if (res == 0 && l->set->partly && ret->rest > 0)
		ret->unsure = ret->too_many = true;
	ret->state = res == 0 && l->set->dynamic && !chance && (ret->len == 0 || ret->unsure);
	if (res < 0)
		nat_found_release(ret);
	else
		note_for_tail(w, st, r, l, ret);
	return res;
}
