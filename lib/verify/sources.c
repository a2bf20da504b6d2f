/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources: everybody who can send to a frontend from or through this node. Their addresses are cut where the node itself
 * makes a difference (routes, its own addresses, who is a pod and where, routing rules, sysctls of interfaces) into seeds;
 * what the rules ask cuts them further, while packets are walked.
 */
#include <errno.h>

#include "verify-private.h"

/* Cuts beyond this many are not made: a cluster that large has its pods in ranges. */
#define POD_CUTS_MAX 20000u

struct cuts {
	ARRAY_OF(struct nat_key) v;
	int family;
	bool failed;
};

static void cut_at(struct cuts *c, struct nat_key k)
{
	if (array_push(&c->v, k) < 0)
		c->failed = true;
}

static void cut_prefix(struct cuts *c, const struct ip_prefix *p)
{
	struct nat_range r;

	if (p->addr.family != c->family)
		return;
	r = nat_range_of(p);
	cut_at(c, r.first);
	cut_at(c, nat_key_next(r.last));
}

static void cut_address(struct cuts *c, const struct ip_addr *a)
{
	struct ip_prefix p = { *a, (uint8_t)(ip_addr_size(a) * 8) };

	if (a->family)
		cut_prefix(c, &p);
}

static void cut_text(struct cuts *c, const char *prefix)
{
	struct ip_prefix p;

	if (ip_prefix_parse(prefix, &p) == 0)
		cut_prefix(c, &p);
}

static int cmp_keys(const void *a, const void *b)
{
	return nat_key_cmp(*(const struct nat_key *)a, *(const struct nat_key *)b);
}

static void cut_facts(const struct vnode *v, struct cuts *c)
{
	const struct node_facts *f = &v->snap->facts;

	for (size_t i = 0; i < f->routes.len; i++) {
		cut_prefix(c, &f->routes.v[i].dst);
		cut_prefix(c, &f->routes.v[i].from);
	}
	for (size_t i = 0; i < f->addrs.len; i++) {
		struct ip_prefix p = { f->addrs.v[i].addr, f->addrs.v[i].plen };
		struct ip_addr last = ip_prefix_last(&p);

		cut_address(c, &f->addrs.v[i].addr);
		cut_address(c, &last);
	}
	for (size_t i = 0; i < f->claimed.len; i++)
		cut_address(c, &f->claimed.v[i]);
	for (size_t i = 0; i < f->rules.len; i++) {
		cut_prefix(c, &f->rules.v[i].src);
		cut_prefix(c, &f->rules.v[i].dst);
	}
}

/* A pod whose address is in no range of its node. */
static bool is_stray(const struct k8s_cluster *c, const struct k8s_pod *p, const struct ip_addr *a)
{
	const struct k8s_node *n = p->node ? k8s_find_node(c, p->node) : NULL;

	for (size_t i = 0; n && i < n->npod_cidrs; i++)
		if (ip_prefix_contains(&n->pod_cidrs[i], a))
			return false;
	return p->node != NULL;
}

static void cut_cluster(const struct vnode *v, struct cuts *c)
{
	const struct k8s_cluster *k = &v->snapshot->cluster;
	const struct kube_proxy_config *config = v->expect.config;
	size_t n = 0;

	for (size_t i = 0; i < k->nodes.len; i++) {
		for (size_t j = 0; j < k->nodes.v[i]->npod_cidrs; j++)
			cut_prefix(c, &k->nodes.v[i]->pod_cidrs[j]);
		for (size_t j = 0; j < k->nodes.v[i]->naddresses; j++)
			cut_address(c, &k->nodes.v[i]->addresses[j].ip);
	}
	for (size_t i = 0; i < k->pods.len; i++)
		for (size_t j = 0; j < k->pods.v[i]->nips && !k->pods.v[i]->host_network; j++)
			if (is_stray(k, k->pods.v[i], &k->pods.v[i]->ips[j]) && n++ < POD_CUTS_MAX)
				cut_address(c, &k->pods.v[i]->ips[j]);
	for (size_t i = 0; i < config->ncluster_cidrs; i++)
		cut_prefix(c, &config->cluster_cidrs[i]);
}

/* Addresses that mean something whatever the node has. */
static void cut_special(struct cuts *c)
{
	static const char *const ranges[] = { "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "::1/128", "fe80::/10",
					      "ff00::/8" };

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		cut_text(c, ranges[i]);
	cut_at(c, (struct nat_key){ 0, 0 });
}

/* ---- what an address is, seen from this node ---- */

/* The way to an address, which is the way a packet from there comes in by. NR_UNKNOWN where routes are not known. */
static struct node_route_result way_to(const struct vnode *v, const struct ip_addr *a)
{
	struct node_route_query q = { .dst = *a };
	struct node_route_result r = { .kind = NR_UNKNOWN };

	if (v->snap->facts.routes_known)
		node_route_lookup(&v->snap->facts, &q, &r);
	return r;
}

/* The interface that has the node's own address. */
static const char *own_interface(const struct vnode *v, int family)
{
	const struct ip_addr *self = family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;

	for (size_t i = 0; self->family && i < v->snap->facts.addrs.len; i++)
		if (ip_addr_equal(&v->snap->facts.addrs.v[i].addr, self))
			return v->snap->facts.addrs.v[i].ifname;
	return NULL;
}

static bool is_inner_link(const struct vnode *v, const char *dev)
{
	static const char *const outer[] = { "vlan", "bond", "team", "macvlan", "ipvlan", "vrf" };
	const struct node_link *l = node_link_by_name(&v->snap->facts, dev);

	for (size_t i = 0; l && l->kind && i < ARRAY_LEN(outer); i++)
		if (strcmp(l->kind, outer[i]) == 0)
			return false;
	return !l || l->kind || l->loopback;
}

/* On a link of this node that is not its own network: containers or machines that only this node knows. */
static bool is_side_link(const struct vnode *v, const struct node_route_result *way, int family)
{
	const char *own = own_interface(v, family);

	if (way->kind != NR_UNICAST || way->gateway.family || !way->dev || !own || strcmp(own, way->dev) == 0)
		return false;
	/* A second network card is a way to the outside; a bridge, a veth, a tunnel leads to what lives on this machine. */
	return !v->snap->facts.links_known || is_inner_link(v, way->dev);
}

/* One range of pods, for a lookup among those of thousands of nodes. */
struct pod_range {
	struct nat_range range;
	const struct k8s_node *node;
};

static int cmp_pod_ranges(const void *a, const void *b)
{
	return nat_key_cmp(((const struct pod_range *)a)->range.first, ((const struct pod_range *)b)->range.first);
}

static int build_pod_ranges(struct vnode *v, int family, struct pod_range **ret, size_t *ret_len)
{
	const struct k8s_cluster *c = &v->snapshot->cluster;
	struct pod_range *r;
	size_t n = 0;

	for (size_t i = 0; i < c->nodes.len; i++)
		n += c->nodes.v[i]->npod_cidrs;
	r = arena_array(&v->arena, struct pod_range, n);
	if (!r)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < c->nodes.len; i++)
		for (size_t k = 0; k < c->nodes.v[i]->npod_cidrs; k++)
			if (c->nodes.v[i]->pod_cidrs[k].addr.family == family)
				r[n++] = (struct pod_range){ nat_range_of(&c->nodes.v[i]->pod_cidrs[k]), c->nodes.v[i] };
	if (n)
		qsort(r, n, sizeof(*r), cmp_pod_ranges);
	*ret = r;
	*ret_len = n;
	return 0;
}

/* The node whose pod has the address: by the pod, else by the ranges (which do not overlap in a sound cluster). */
static const struct k8s_node *pod_node(const struct vnode *v, const struct pod_range *r, size_t n, const struct ip_addr *a)
{
	const struct k8s_cluster *c = &v->snapshot->cluster;
	const struct k8s_pod *p = map_get(&c->pod_by_ip, a, sizeof(*a));
	struct nat_key k = nat_key_of(a);
	size_t lo = 0, hi = n;

	if (p && p->node)
		return k8s_find_node(c, p->node);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (nat_key_cmp(r[mid].range.first, k) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && nat_key_cmp(k, r[lo - 1].range.last) <= 0 ? r[lo - 1].node : NULL;
}

/* What the node asks of a source, beside what the rules do: seeds are alike in it. */
struct seed_key {
	enum expect_source kind;
	bool here, natural; /* natural: enters by the interface of the way back */
	bool routed;	    /* the way back is over a router */
	enum tri place;
	const char *back;   /* not natural: the interface of the way back */
	const char *words;
	int addr_type;
	uint64_t rules;	/* routing rules and routes that ask for this source */
	int conf[5];
	bool has_address;
	const char *link_kind;
};

static bool same_key(const struct seed_key *a, const struct seed_key *b)
{
	return a->kind == b->kind && a->here == b->here && a->natural == b->natural && a->routed == b->routed && a->place == b->place &&
	       str_same(a->back, b->back) && a->words == b->words &&
	       a->addr_type == b->addr_type && a->rules == b->rules && memcmp(a->conf, b->conf, sizeof(a->conf)) == 0 &&
	       a->has_address == b->has_address && str_same(a->link_kind, b->link_kind);
}

static void look_at_interface(const struct vnode *v, const char *iif, int family, struct seed_key *k)
{
	static const char *const names[ARRAY_LEN(k->conf)] = { "forwarding", "rp_filter", "route_localnet", "accept_local", "src_valid_mark" };
	const struct node_facts *f = &v->snap->facts;
	const struct node_link *l = iif ? node_link_by_name(f, iif) : NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		k->conf[i] = iif ? node_conf(f, family, iif, names[i]) : -2;
	k->link_kind = l ? l->kind : NULL;
	k->has_address = false;
	for (size_t i = 0; iif && i < f->addrs.len && !k->has_address; i++)
		k->has_address = f->addrs.v[i].addr.family == family && str_same(f->addrs.v[i].ifname, iif);
}

/* The way back to it as it is for packets that this routing rule is about: of an endpoint's address, a mark, an interface. */
static uint64_t way_by_rule(const struct node_facts *f, const struct node_rule *rule, const struct ip_addr *a, uint64_t h)
{
	struct node_route_query q = { .src = ip_prefix_first(&rule->src), .dst = *a, .mark = rule->fwmark, .iif = rule->iif };
	struct node_route_result way;

	if (!rule->src.addr.family && !rule->fwmask && !rule->iif)
		return h;
	if (!rule->src.addr.family)
		q.src = (struct ip_addr){ 0 };
	node_route_lookup(f, &q, &way);
	h = h * 1000003 + way.kind + (way.gateway.family ? 16 : 0);
	return way.dev ? h * 1000003 + hash_bytes(way.dev, strlen(way.dev)) : h;
}

static uint64_t rules_for(const struct vnode *v, const struct ip_addr *a)
{
	const struct node_facts *f = &v->snap->facts;
	uint64_t h = 0;

	for (size_t i = 0; i < f->rules.len; i++) {
		const struct node_rule *rule = &f->rules.v[i];

		if (rule->src.addr.family == a->family && ip_prefix_contains(&rule->src, a))
			h = h * 1000003 + i + 1;
		h = way_by_rule(f, rule, a, h);
	}
	for (size_t i = 0; v->routes_by_source && i < f->routes.len; i++)
		if (f->routes.v[i].from.len && f->routes.v[i].from.addr.family == a->family && ip_prefix_contains(&f->routes.v[i].from, a))
			h = h * 1000003 + i + 7;
	return h;
}

static bool never_sends(const struct ip_addr *a)
{
	return ip_addr_is_zero(a) || ip_addr_is_multicast(a) || ip_addr_is_linklocal(a) ||
	       (a->family == AF_INET && (a->b[0] == 0 || a->b[0] >= 224));
}

/* False: the address cannot send here. */
static bool classify(const struct vnode *v, const struct pod_range *pods, size_t npods, const struct ip_addr *a, struct seed_key *ret,
		     struct verify_place *place, const char **ret_iif)
{
	const char *why;
	const struct k8s_node *n;
	struct node_route_result way;

	*ret = (struct seed_key){ .natural = true };
	*ret_iif = NULL;
	if (never_sends(a) || ip_addr_is_loopback(a) || node_is_local(&v->snap->facts, a) == TRI_TRUE)
		return false;
	ret->addr_type = node_addr_type(&v->snap->facts, a, NULL);
	if (a->family == AF_INET && ret->addr_type == 3) /* RTN_BROADCAST: never a source */
		return false;
	way = way_to(v, a);
	if (way.kind == NR_UNICAST && way.route && !way.route->multipath)
		*ret_iif = way.dev;
	n = map_get(&v->node_ips, a, sizeof(*a)) ? NULL : pod_node(v, pods, npods, a);
	if (n || expect_is_local_pod(&v->expect, a) == TRI_TRUE) {
		/* No pod has an address that no route leads to. */
		if (way.kind != NR_UNICAST && way.kind != NR_UNKNOWN)
			return false;
		ret->kind = SOURCE_POD;
		/* Without any Node object a pod may be anywhere: as well here. */
		ret->here = n ? strcmp(n->meta.name, v->snap->name) == 0 : v->snapshot->cluster.nodes.len == 0;
		ret->words = !n && ret->here ? "pods" : ret->here ? "pods of this node" : "pods of other nodes";
	} else {
		ret->kind = SOURCE_OUTSIDE;
		ret->words = "outside the cluster";
		if (is_side_link(v, &way, a->family))
			return false;
	}
	ret->rules = rules_for(v, a);
	ret->routed = way.gateway.family != 0;
	ret->place = n ? (ret->here ? TRI_TRUE : TRI_FALSE) : verify_is_here(place, a, &why);
	look_at_interface(v, *ret_iif, a->family, ret);
	return true;
}

/* ---- seeds ---- */

struct open_seed {
	struct seed_key key;
	ARRAY_OF(struct nat_span) spans;
};
struct open_seeds {
	ARRAY_OF(struct open_seed) v;
};

static void open_seeds_release(struct open_seeds *s)
{
	for (size_t i = 0; i < s->v.len; i++)
		array_free(&s->v.v[i].spans);
	array_free(&s->v);
}

static int add_span(struct open_seeds *s, const struct seed_key *k, struct nat_range r, const char *iif)
{
	struct open_seed *o = NULL, fresh = { .key = *k };
	struct nat_span *last;

	for (size_t i = 0; i < s->v.len && !o; i++)
		if (same_key(&s->v.v[i].key, k))
			o = &s->v.v[i];
	if (!o) {
		if (array_push(&s->v, fresh) < 0)
			return -ENOMEM;
		o = &s->v.v[s->v.len - 1];
	}
	last = o->spans.len ? &o->spans.v[o->spans.len - 1] : NULL;
	if (last && str_same(last->iif, iif) && nat_key_cmp(nat_key_next(last->range.last), r.first) == 0) {
		last->range.last = r.last;
		return 0;
	}
	return array_push(&o->spans, ((struct nat_span){ r, iif }));
}

/* May a packet whose way back leads elsewhere enter by @dev? fib_validate_source(): not where rp_filter is strict. */
static bool lets_in(const struct vnode *v, const char *dev, int family)
{
	int all, one;

	if (family != AF_INET)
		return true;
	all = node_conf(&v->snap->facts, family, "all", "rp_filter");
	one = node_conf(&v->snap->facts, family, dev, "rp_filter");
	return all >= 0 && one >= 0 && MAX(all, one) != 1;
}

#define UPLINKS_MAX 16u

/* Links towards the outside: those of default routes, and the one with the node's own address. */
static size_t find_uplinks(const struct vnode *v, int family, const char *ret[static UPLINKS_MAX])
{
	const struct node_facts *f = &v->snap->facts;
	size_t n = 0;

	for (size_t i = 0; i <= f->routes.len && f->routes_known && n < UPLINKS_MAX; i++) {
		const struct node_route *t = i < f->routes.len ? &f->routes.v[i] : NULL;
		const char *dev = own_interface(v, family);
		bool known = false;

		if (t)
			dev = t->family == family && t->dst.len == 0 && t->type == RT_UNICAST ? t->dev : NULL;
		for (size_t k = 0; k < n; k++)
			known = known || str_same(ret[k], dev);
		if (dev && !known)
			ret[n++] = dev;
	}
	return n;
}

/* Outside sources enter by every such link that lets them in. */
static int add_uplinks(const struct vnode *v, struct open_seeds *s, int family)
{
	const char *uplinks[UPLINKS_MAX];
	size_t n = find_uplinks(v, family, uplinks), natural = s->v.len;
	int r = 0;

	for (size_t i = 0; i < n * natural && r == 0; i++) {
		const char *dev = uplinks[i / natural];
		struct seed_key key = s->v.v[i % natural].key;

		if (key.kind != SOURCE_OUTSIDE || !lets_in(v, dev, family))
			continue;
		key.natural = false;
		key.back = s->v.v[i % natural].spans.v[0].iif;
		key.words = "outside the cluster, by another link";
		look_at_interface(v, dev, family, &key);
		for (size_t j = 0; r == 0 && j < s->v.v[i % natural].spans.len; j++) {
			struct nat_span sp = s->v.v[i % natural].spans.v[j];

			key.back = sp.iif;
			if (sp.iif && strcmp(sp.iif, dev) != 0)
				r = add_span(s, &key, sp.range, dev);
		}
	}
	return r;
}

static int add_own(const struct vnode *v, struct open_seeds *s, const struct ip_addr *a, int family)
{
	struct seed_key k = { .kind = SOURCE_NODE, .words = "the node itself", .natural = true, .addr_type = 2, .place = TRI_TRUE };
	struct nat_key key = nat_key_of(a);

	if (a->family != family || never_sends(a) || ip_addr_is_loopback(a))
		return 0;
	k.rules = rules_for(v, a);
	for (size_t i = 0; i < s->v.len; i++)
		for (size_t j = 0; s->v.v[i].key.kind == SOURCE_NODE && j < s->v.v[i].spans.len; j++)
			if (nat_key_cmp(s->v.v[i].spans.v[j].range.first, key) == 0)
				return 0;
	return add_span(s, &k, (struct nat_range){ key, key }, NULL);
}

/* The node sends from any of its addresses; thousands of cluster IPs may be left on kube-ipvs0, and nobody sends from there. */
static int add_node(const struct vnode *v, struct open_seeds *s, int family)
{
	const struct node_facts *f = &v->snap->facts;
	const struct ip_addr *self = family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->addrs.len; i++)
		if (!str_same(f->addrs.v[i].ifname, IPVS_LINK) && node_is_local(f, &f->addrs.v[i].addr) != TRI_FALSE)
			r = add_own(v, s, &f->addrs.v[i].addr, family);
	for (size_t i = 0; r == 0 && !f->addrs_known && i < f->claimed.len; i++)
		r = add_own(v, s, &f->claimed.v[i], family);
	if (r == 0 && self->family && node_is_local(f, self) == TRI_TRUE)
		r = add_own(v, s, self, family);
	return r;
}

static int add_loopback(struct open_seeds *s)
{
	struct ip_addr loop = { .family = AF_INET, .b = { 127, 0, 0, 1 } };
	struct seed_key k = { .kind = SOURCE_LOOPBACK, .words = "127.0.0.1", .natural = true, .addr_type = 2, .place = TRI_TRUE };
	struct nat_key key = nat_key_of(&loop);

	return add_span(s, &k, (struct nat_range){ key, key }, NULL);
}

static int rank(const struct seed_key *k)
{
	static const int by_kind[] = { [SOURCE_POD] = 0, [SOURCE_NODE] = 2, [SOURCE_LOOPBACK] = 4, [SOURCE_OUTSIDE] = 3 };

	return 2 * (by_kind[k->kind] + (k->kind == SOURCE_POD && !k->here)) + !k->natural;
}

static int close_seeds(struct vnode *v, struct open_seeds *o, int family, struct vseeds *ret)
{
	struct vseed *seeds = arena_array(&v->arena, struct vseed, o->v.len);
	size_t n = 0;

	if (!seeds)
		return -ENOMEM;
	for (int want = 0; want <= 10; want++) {
		for (size_t i = 0; i < o->v.len; i++) {
			const struct open_seed *s = &o->v.v[i];
			struct nat_span *spans = rank(&s->key) == want ? arena_array(&v->arena, struct nat_span, s->spans.len) : NULL;

			if (rank(&s->key) != want)
				continue;
			if (!spans)
				return -ENOMEM;
			memcpy(spans, s->spans.v, s->spans.len * sizeof(*spans));
			seeds[n++] = (struct vseed){ s->key.kind, s->key.here, s->key.place, s->key.words,
						     { (uint8_t)family, s->spans.len, spans } };
		}
	}
	*ret = (struct vseeds){ seeds, n, true };
	return 0;
}

static int cut_space(const struct vnode *v, struct cuts *c)
{
	cut_special(c);
	cut_facts(v, c);
	cut_cluster(v, c);
	if (c->failed)
		return -ENOMEM;
	qsort(c->v.v, c->v.len, sizeof(*c->v.v), cmp_keys);
	return 0;
}

static void cuts_release(struct cuts *c)
{
	array_free(&c->v);
}

int vseeds_build(struct vnode *v, int family, struct vseeds *ret)
{
	CLEANUP(open_seeds_release) struct open_seeds o = { 0 };
	CLEANUP(cuts_release) struct cuts c = { .family = family };
	struct nat_key end = family == AF_INET ? (struct nat_key){ 0, UINT32_MAX } : (struct nat_key){ UINT64_MAX, UINT64_MAX };
	CLEANUP(verify_place_release) struct verify_place place;
	struct pod_range *pods;
	size_t npods;
	int r = build_pod_ranges(v, family, &pods, &npods);

	verify_place_init(&place, v->snapshot, v->snap, &v->expect);
	place.slices_built = true; /* an endpoint is asked about by itself; ranges are what is cut here */
	if (r == 0)
		r = cut_space(v, &c);
	for (size_t i = 0; r == 0 && i < c.v.len && nat_key_cmp(c.v.v[i], end) <= 0; i++) {
		bool last = i + 1 == c.v.len || nat_key_cmp(c.v.v[i + 1], end) > 0;
		struct nat_range range = { c.v.v[i], last ? end : nat_key_prev(c.v.v[i + 1]) };
		struct ip_addr a = nat_addr_of(range.first, family);
		struct seed_key key;
		const char *iif;

		if (!last && nat_key_cmp(c.v.v[i], c.v.v[i + 1]) == 0)
			continue;
		if (classify(v, pods, npods, &a, &key, &place, &iif))
			r = add_span(&o, &key, range, iif);
	}
	if (r == 0)
		r = add_uplinks(v, &o, family);
	if (r == 0)
		r = add_node(v, &o, family);
	if (r == 0 && family == AF_INET)
		r = add_loopback(&o);
	return r < 0 ? r : close_seeds(v, &o, family, ret);
}

/*
 * The way to an address that lies on kube-ipvs0 begins at that address itself. Where it does not lie there, and it should, the
 * packet takes the node's address, and IPVS still meets it in OUTPUT.
 */
int vseed_own(const struct vnode *v, struct arena *arena, const struct ip_addr *dst, const struct vseed **ret)
{
	static const char words[] = "the node itself"; /* by its place it is told from that of the other seed */
	const struct ip_addr *self = dst->family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;
	struct nat_span *span;
	struct vseed *s;
	struct ip_addr src;

	*ret = NULL;
	if (!expect_own_source(&v->expect, dst, &src) || ip_addr_is_loopback(dst))
		return 0;
	if (!v->locals_unknown && node_is_local(&v->snap->facts, dst) == TRI_FALSE && self->family)
		src = *self;
	s = arena_new(arena, struct vseed);
	span = arena_new(arena, struct nat_span);
	if (!s || !span)
		return -ENOMEM;
	*span = (struct nat_span){ { nat_key_of(&src), nat_key_of(&src) }, NULL };
	*s = (struct vseed){ SOURCE_NODE, false, TRI_TRUE, words, { dst->family, 1, span } };
	*ret = s;
	return 0;
}

bool vseed_can_reach(const struct vseed *s, const struct expect_frontend *f, const struct ip_addr *dst)
{
	if (s->region.family != dst->family)
		return false;
	if (ip_addr_is_linklocal(dst) && s->kind != SOURCE_NODE)
		return false;
	if (s->kind == SOURCE_LOOPBACK || ip_addr_is_loopback(dst))
		return f->kind == EXPECT_NODE_PORT && s->kind == SOURCE_LOOPBACK && nat_region_has(&s->region, dst, NULL);
	switch (f->kind) {
	case EXPECT_CLUSTER_IP:
		return s->kind == SOURCE_NODE || (s->kind == SOURCE_POD && s->here);
	case EXPECT_EXTERNAL_IP:
	case EXPECT_LOAD_BALANCER:
		return s->kind == SOURCE_NODE || s->kind == SOURCE_OUTSIDE || (s->kind == SOURCE_POD && s->here);
	default:
		return true;
	}
}

/* ---- one of them ---- */

/* Addresses that a reader knows for examples: RFC 5737, RFC 3849. */
static bool take_known(const struct nat_region *r, struct ip_addr *ret)
{
	static const char *const known[] = { "203.0.113.9", "198.51.100.77", "192.0.2.33", "2001:db8:ffff::9" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (ip_addr_parse(known[i], ret) == 0 && ret->family == r->family && nat_region_has(r, ret, NULL))
			return true;
	return false;
}

static const char *interface_of(const struct nat_region *r, struct nat_key k)
{
	for (size_t i = 0; i < r->len; i++)
		if (nat_key_cmp(r->v[i].range.first, k) <= 0 && nat_key_cmp(k, r->v[i].range.last) <= 0)
			return r->v[i].iif;
	return NULL;
}

static bool is_larger(const struct nat_range *a, const struct nat_range *b)
{
	struct nat_key x = { a->last.hi - a->first.hi - (a->last.lo < a->first.lo), a->last.lo - a->first.lo };
	struct nat_key y = { b->last.hi - b->first.hi - (b->last.lo < b->first.lo), b->last.lo - b->first.lo };

	return nat_key_cmp(x, y) > 0;
}

struct vsource vsource_of(const struct vseed *seed, const struct nat_region *r)
{
	struct vsource s = { .kind = seed->kind, .here = seed->here, .words = seed->words, .seed = seed, .region = *r };
	const struct nat_range *best = &r->v[0].range;

	/* Of the largest part, and not its first address, which is often nobody's. */
	for (size_t i = 1; i < r->len && seed->kind != SOURCE_NODE; i++)
		if (is_larger(&r->v[i].range, best))
			best = &r->v[i].range;
	if (seed->kind != SOURCE_OUTSIDE || !take_known(r, &s.addr)) {
		bool one = nat_key_cmp(best->first, best->last) == 0;

		s.addr = nat_addr_of(one || seed->kind == SOURCE_NODE ? best->first : nat_key_next(best->first), r->family);
	}
	s.iif = interface_of(r, nat_key_of(&s.addr));
	return s;
}
