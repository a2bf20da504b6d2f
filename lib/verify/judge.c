/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge: one packet's endings against what must become of it. */
#include <errno.h>
#include <math.h>

#include "verify-private.h"

/* kube-proxy writes 1/n with ten digits and the kernel keeps 31 bits: a share is never exactly 1/n. */
#define SHARE_TOLERANCE 0.001

struct endpoint_key {
	struct ip_addr addr;
	uint16_t port;
};
struct endpoint_owner {
	struct endpoint_key key;
	const char *service, *ns; /* of the first Service that has it */
	bool several;
};
struct endpoint_index {
	const struct k8s_cluster *cluster;
	bool built, failed; /* built when first asked: sound rules never ask */
	struct arena arena;
	struct map map;
};

static int index_add(struct endpoint_index *ix, const struct k8s_slice *s, const struct ip_addr *a, uint16_t port)
{
	struct endpoint_key key;
	struct endpoint_owner *o;

	memset(&key, 0, sizeof(key));
	key.addr = *a;
	key.port = port;
	o = map_get(&ix->map, &key, sizeof(key));
	if (o) {
		o->several = o->several || strcmp(o->service, s->service) != 0 || strcmp(o->ns, s->meta.ns) != 0;
		return 0;
	}
	o = arena_new(&ix->arena, struct endpoint_owner);
	if (!o)
		return -ENOMEM;
	memcpy(&o->key, &key, sizeof(key));
	o->service = s->service;
	o->ns = s->meta.ns;
	return map_put(&ix->map, &o->key, sizeof(o->key), o);
}

void endpoint_index_free(struct endpoint_index *ix)
{
	if (!ix)
		return;
	map_release(&ix->map);
	arena_release(&ix->arena);
	free(ix);
}

struct endpoint_index *endpoint_index_new(const struct k8s_cluster *c)
{
	struct endpoint_index *ix = calloc(1, sizeof(*ix));

	if (ix)
		ix->cluster = c;
	return ix;
}

static int index_slice(struct endpoint_index *ix, const struct k8s_slice *s)
{
	for (size_t e = 0; s->service && e < s->nendpoints; e++) {
		const struct k8s_endpoint *ep = &s->endpoints[e];
		bool usable = ep->ready != 0 || ep->serving == 1;

		for (size_t p = 0; usable && ep->ip.family && p < s->nports; p++)
			if (s->ports[p].has_port && index_add(ix, s, &ep->ip, s->ports[p].port) < 0)
				return -ENOMEM;
	}
	return 0;
}

static void index_build(struct endpoint_index *ix)
{
	ix->built = true;
	for (size_t i = 0; i < ix->cluster->slices.len && !ix->failed; i++)
		ix->failed = index_slice(ix, ix->cluster->slices.v[i]) < 0;
}

enum address_is endpoint_index_find(struct endpoint_index *ix, const struct ip_addr *a, uint16_t port, const struct k8s_service *self)
{
	struct endpoint_key key;
	const struct endpoint_owner *o;

	if (!ix->built)
		index_build(ix);
	memset(&key, 0, sizeof(key));
	key.addr = *a;
	key.port = port;
	o = map_get(&ix->map, &key, sizeof(key));
	if (!o)
		return ADDRESS_NOBODY;
	if (!o->several && strcmp(o->service, self->meta.name) == 0 && strcmp(o->ns, self->meta.ns) == 0)
		return ADDRESS_THIS_SERVICE;
	return ADDRESS_OTHER_SERVICE;
}

static int add(struct judgement *j, enum verify_kind k, const struct ip_addr *a, uint16_t port, size_t ending)
{
	struct found_difference d = { .kind = k, .endpoint_port = port, .ending = ending };

	if (a)
		d.endpoint = *a;
	for (size_t i = 0; i < j->found.len; i++)
		if (j->found.v[i].kind == k && ip_addr_equal(&j->found.v[i].endpoint, &d.endpoint) &&
		    j->found.v[i].endpoint_port == port)
			return 0;
	return array_push(&j->found, d);
}

static int cmp_endpoint(const struct expect_endpoint *e, const struct ip_addr *addr, uint16_t port)
{
	int c = ip_addr_cmp(&e->addr, addr);

	return c ? c : (int)e->port - (int)port;
}

/* Place of an endpoint among those expected, which are sorted by address and port; SIZE_MAX: it is none. */
static size_t expected_at(const struct expect_answer *a, const struct ip_addr *addr, uint16_t port)
{
	size_t lo = 0, hi = a->nendpoints;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp_endpoint(a->endpoints[mid], addr, port) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < a->nendpoints && cmp_endpoint(a->endpoints[lo], addr, port) == 0 ? lo : SIZE_MAX;
}

static bool same_address(const struct expect_answer *a, const struct ip_addr *addr)
{
	for (size_t i = 0; i < a->nendpoints; i++)
		if (ip_addr_equal(&a->endpoints[i]->addr, addr))
			return true;
	return false;
}

/* An ending at an address that is no endpoint of this frontend. */
static enum verify_kind misdirected(const struct expect_answer *a, const struct expect_frontend *f, const struct nat_ending *e,
				    struct endpoint_index *ix)
{
	enum address_is is = endpoint_index_find(ix, &e->addr, e->port, f->port->service);

	if (same_address(a, &e->addr) && is != ADDRESS_OTHER_SERVICE)
		return DIFF_WRONG_PORT;
	return is == ADDRESS_NOBODY ? DIFF_STALE_ENDPOINT : DIFF_WRONG_ENDPOINT;
}

/* kube-proxy's rules of IPVS mode ask sets that are not known: what hangs on them is told as not judged. */
static bool is_left_out(const struct judge_context *c, const struct nat_by *by)
{
	return c->servers_only && by->chain && is_proxy_chain(by->chain);
}

/* By a rule, or to an address that is not this node's. What the node itself is to blame for is told once for the node. */
static bool reply_is_stopped(const struct nat_ending *e)
{
	return e->reply == TRI_FALSE && !e->reply_by.cause && (e->masquerade || e->reply_by.kind != BY_NONE);
}

/* What must become of the source on its way to an expected endpoint. Where the rules that masquerade are in no dump, nobody knows. */
static enum tri wanted_masquerade(const struct judge_context *c, size_t place)
{
	return c->servers_only ? TRI_UNKNOWN : expect_masquerade(c->node, c->answer, c->answer->endpoints[place], c->src);
}

static int judge_masquerade(const struct judge_context *c, const struct nat_ending *e, size_t i, struct judgement *j)
{
	const struct expect_answer *a = c->answer;
	bool self = ip_addr_equal(&e->addr, c->src);
	enum tri want = wanted_masquerade(c, j->places.v[i]);

	/* What is delivered here passes no POSTROUTING, and its reply starts here: nothing to rewrite. */
	if (want == TRI_TRUE && !e->masquerade && e->delivery != DELIVERY_LOCAL && node_is_local(c->node->facts, &e->addr) != TRI_TRUE)
		return add(j, self && a->masquerade != TRI_TRUE ? DIFF_HAIRPIN : DIFF_NOT_MASQUERADED, NULL, 0, i);
	if (reply_is_stopped(e) && !is_left_out(c, &e->reply_by))
		return add(j, DIFF_REPLY_LOST, NULL, 0, i);
	if (want == TRI_FALSE && e->masquerade)
		return add(j, DIFF_NEEDLESS_MASQUERADE, NULL, 0, i);
	return 0;
}

struct tally {
	size_t misdirected, missing, untranslated, stopped;
	size_t first_untranslated;
};

/*
 * Where each ending lies among the expected endpoints (SIZE_MAX: nowhere), and the share of each endpoint over all
 * endings, whatever the rules did afterwards (-1: not reached), into the judge's own arrays.
 */
static int find_endings(const struct expect_answer *a, const struct nat_result *r, struct judgement *j)
{
	j->shares.len = j->places.len = 0;
	for (size_t i = 0; i < a->nendpoints; i++)
		if (array_push(&j->shares, -1.0) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];
		size_t at = e->translated ? expected_at(a, &e->addr, e->port) : SIZE_MAX;

		if (array_push(&j->places, at) < 0)
			return -ENOMEM;
		if (at != SIZE_MAX)
			j->shares.v[at] = (j->shares.v[at] < 0 ? 0 : j->shares.v[at]) + e->weight;
	}
	return 0;
}

/*
 * What is left for kube-proxy's own refusals is what it has not translated: they hang behind the translation. Source ranges do not in
 * nftables and IPVS mode, nor, in the latter, do any but one chain.
 */
static bool is_catch_all(const struct rs_chain *c, enum expect_mode mode)
{
	if (!c || !is_proxy_chain(c) || mode == MODE_IPTABLES)
		return c && is_proxy_chain(c);
	return mode == MODE_NFTABLES ? !str_starts(c->name, "firewall-") : strcmp(c->name, "KUBE-IPVS-FILTER") == 0;
}

static int judge_ending(const struct judge_context *jc, const struct expect_answer *a, const struct expect_frontend *f, const struct nat_ending *e, size_t i, struct endpoint_index *ix, struct judgement *j,
			struct tally *t)
{
	bool refused = e->verdict == NAT_DROP || e->verdict == NAT_REJECT;

	if (refused && is_left_out(jc, &e->by))
		return 0;
	/* Not translated and then refused by kube-proxy's own rules: what is wrong is that it was not translated. */
	if (!e->translated && (!refused || is_catch_all(e->by.chain, jc->node->mode))) {
		t->first_untranslated = t->untranslated ? t->first_untranslated : i;
		t->untranslated++;
		return 0;
	}
	if (refused) {
		t->stopped++;
		return add(j, e->verdict == NAT_DROP ? DIFF_DROPPED : DIFF_REJECTED, NULL, 0, i);
	}
	if (j->places.v[i] == SIZE_MAX) {
		t->misdirected++;
		return add(j, misdirected(a, f, e, ix), &e->addr, e->port, i);
	}
	return 0;
}

static int judge_shares(const struct expect_answer *a, struct judgement *j)
{
	double want = 1.0 / (double)a->nendpoints;

	for (size_t i = 0; i < a->nendpoints; i++) {
		double got = j->shares.v[i];

		if (!isnan(got) && fabs(got - want) > SHARE_TOLERANCE * want)
			return add(j, DIFF_UNEVEN_SHARE, &a->endpoints[i]->addr, a->endpoints[i]->port, SIZE_MAX);
	}
	return 0;
}

static int judge_missing(const struct expect_answer *a, const struct nat_result *r, struct judgement *j, struct tally *t)
{
	size_t excused = t->misdirected; /* one that went elsewhere is told as that, once */

	/* All went elsewhere: by one rule, and that is told. */
	if (t->misdirected && t->misdirected + t->stopped == r->endings.len) {
		t->missing = a->nendpoints;
		return 0;
	}
	for (size_t i = 0; i < a->nendpoints; i++) {
		int res;

		if (!(j->shares.v[i] < 0))
			continue;
		t->missing++;
		if (excused > 0) {
			excused--;
			continue;
		}
		res = add(j, DIFF_MISSING_ENDPOINT, &a->endpoints[i]->addr, a->endpoints[i]->port, SIZE_MAX);
		if (res < 0)
			return res;
	}
	return 0;
}

static int judge_translate(const struct judge_context *c, const struct nat_result *r, struct endpoint_index *ix, bool shares,
			   struct judgement *j)
{
	const struct expect_answer *a = c->answer;
	struct tally t = { 0 };
	int res = find_endings(a, r, j);

	for (size_t i = 0; res == 0 && i < r->endings.len; i++)
		if (r->endings.v[i].verdict != NAT_UNDECIDED)
			res = judge_ending(c, a, c->frontend, &r->endings.v[i], i, ix, j, &t);
	if (res < 0)
		return res;
	if (t.untranslated && t.untranslated + t.stopped == r->endings.len)
		return t.stopped ? 0 : add(j, DIFF_NO_RULE, NULL, 0, t.first_untranslated);
	if (t.stopped && t.stopped == r->endings.len)
		return 0;
	res = judge_missing(a, r, j, &t);
	/* With an endpoint missing or wrong, shares and sources follow from that. */
	if (res < 0 || t.missing || t.misdirected)
		return res;
	for (size_t i = 0; res == 0 && i < r->endings.len; i++)
		if (r->endings.v[i].verdict == NAT_ACCEPT && r->endings.v[i].translated)
			res = judge_masquerade(c, &r->endings.v[i], i, j);
	/* With something left out the ways of an endpoint add up to more than one. */
	return res < 0 || !shares || c->servers_only ? res : judge_shares(a, j);
}

/* An endpoint of the port, for this client or another. */
bool judge_is_own(const struct expect_port *p, const struct ip_addr *addr, uint16_t port)
{
	size_t lo = 0, hi = p->nall;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp_endpoint(&p->all[mid], addr, port) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->nall && cmp_endpoint(&p->all[lo], addr, port) == 0;
}

static int judge_refusal(const struct judge_context *c, const struct nat_result *r, struct endpoint_index *ix, struct judgement *j)
{
	const struct expect_answer *a = c->answer;
	const struct expect_frontend *f = c->frontend;
	enum nat_verdict want = a->verdict == EXPECT_REJECT ? NAT_REJECT : NAT_DROP;

	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];
		int res = 0;

		if (e->verdict == want || e->verdict == NAT_UNDECIDED || is_left_out(c, &e->by))
			continue;
		if (e->verdict == NAT_DROP || e->verdict == NAT_REJECT)
			res = add(j, DIFF_WRONG_REFUSAL, NULL, 0, i);
		else if (!e->translated || judge_is_own(f->port, &e->addr, e->port))
			res = add(j, DIFF_NOT_REFUSED, NULL, 0, i);
		else if (endpoint_index_find(ix, &e->addr, e->port, f->port->service) == ADDRESS_NOBODY)
			res = add(j, DIFF_STALE_ENDPOINT, &e->addr, e->port, i);
		else if (endpoint_index_find(ix, &e->addr, e->port, f->port->service) == ADDRESS_OTHER_SERVICE)
			res = add(j, DIFF_WRONG_ENDPOINT, &e->addr, e->port, i);
		else
			res = add(j, DIFF_NOT_REFUSED, NULL, 0, i);
		if (res < 0)
			return res;
	}
	return 0;
}

static int judge_accept(const struct nat_result *r, struct judgement *j)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];
		int res = 0;

		if (e->verdict == NAT_DROP)
			res = add(j, DIFF_DROPPED, NULL, 0, i);
		else if (e->verdict == NAT_REJECT)
			res = add(j, DIFF_REJECTED, NULL, 0, i);
		else if (e->verdict == NAT_ACCEPT && e->translated)
			res = add(j, DIFF_WRONG_ENDPOINT, &e->addr, e->port, i);
		else if (e->verdict == NAT_ACCEPT && e->masquerade)
			res = add(j, DIFF_NEEDLESS_MASQUERADE, NULL, 0, i);
		if (res < 0)
			return res;
	}
	return 0;
}

/* Something unknown takes part: the endings carry what they assume. */
static const struct nat_by *unknown_part(const struct judge_context *c, const struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];

		if (e->verdict == NAT_UNDECIDED)
			return &e->by;
		for (const struct nat_assume *as = e->assumes; as; as = as->next)
			if (!as->state && !is_left_out(c, &as->by))
				return &as->by;
	}
	return NULL;
}

/* The same difference in every way that the unknown may go. */
static bool is_certain(const struct expect_answer *a, const struct nat_result *r, const struct judgement *j)
{
	enum nat_verdict want = a->verdict == EXPECT_REJECT ? NAT_REJECT : NAT_DROP;
	bool refusal = a->verdict == EXPECT_REJECT || a->verdict == EXPECT_DROP;

	for (size_t i = 0; i < r->endings.len; i++)
		if (r->endings.v[i].verdict == NAT_UNDECIDED || (refusal && r->endings.v[i].verdict == want))
			return false;
	return refusal || (a->verdict == EXPECT_TRANSLATE && j->found.len == 1 && j->found.v[0].kind == DIFF_NO_RULE);
}

/* A reply whose fate hangs on a rule that is not known. */
static const struct nat_by *unknown_reply(const struct judge_context *c, const struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++)
		if (r->endings.v[i].verdict == NAT_ACCEPT && r->endings.v[i].reply == TRI_UNKNOWN && r->endings.v[i].reply_by.kind != BY_NONE &&
		    !is_left_out(c, &r->endings.v[i].reply_by))
			return &r->endings.v[i].reply_by;
	return NULL;
}

int judge(const struct judge_context *c, const struct nat_result *r, struct endpoint_index *index, struct judgement *ret)
{
	const struct expect_answer *answer = c->answer;
	const struct nat_by *unknown = unknown_part(c, r);
	int res = 0;

	ret->judged = answer->verdict != EXPECT_NOTHING;
	ret->undecided = false;
	ret->masquerade_only = false;
	ret->found.len = 0;
	switch (answer->verdict) {
	case EXPECT_TRANSLATE:
		res = judge_translate(c, r, index, unknown == NULL, ret);
		break;
	case EXPECT_REJECT:
	case EXPECT_DROP:
		res = judge_refusal(c, r, index, ret);
		break;
	case EXPECT_ACCEPT:
		res = judge_accept(r, ret);
		break;
	case EXPECT_NOTHING:
		break;
	}
	if (res == 0 && index->failed)
		res = -ENOMEM;
	if (res == 0 && !unknown && answer->verdict == EXPECT_TRANSLATE && ret->found.len == 0 && unknown_reply(c, r)) {
		ret->undecided = true;
		ret->undecided_by = *unknown_reply(c, r);
	}
	if (res < 0 || !unknown || !ret->judged)
		return res;
	/* All ways end as they must, whatever the unknown is: decided. Else it depends. */
	for (size_t i = 0; i < r->endings.len; i++)
		if (r->endings.v[i].verdict == NAT_UNDECIDED)
			ret->undecided = true;
	if (ret->found.len && !is_certain(answer, r, ret))
		ret->undecided = true;
	if (ret->undecided) {
		ret->undecided_by = *unknown;
		ret->masquerade_only = ret->found.len > 0;
		for (size_t i = 0; i < ret->found.len; i++)
			ret->masquerade_only = ret->masquerade_only && ret->found.v[i].kind == DIFF_NEEDLESS_MASQUERADE;
		ret->found.len = 0;
	}
	return 0;
}
