/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Torn dumps: rules that were dumped while kube-proxy wrote them, or that it could not finish. It makes its chains and the
 * jumps to them first and fills them last, so a chain that packets are sent to and that holds nothing shows it; so does a
 * kube-proxy that itself knows of no finished sync. What verify finds on such a node is no difference between two finished
 * states.
 */
#include <errno.h>

#include "verify-private.h"

#define CHAINS_SHOWN 8

struct torn_family {
	const struct snap_node *node;
	unsigned six;
	struct arena *arena;
	struct map seen; /* chains by pointer */
	ARRAY_OF(const struct rs_chain *) bare;
	ARRAY_OF(const char *) why;
};

static void torn_release(struct torn_family *t)
{
	map_release(&t->seen);
	array_free(&t->bare);
	array_free(&t->why);
}

/* Not of nftables: kube-proxy writes there in one transaction, and `nft list` begins again when the rules change meanwhile. */
static int add_bare(struct torn_family *t, const struct rs_chain *c)
{
	const struct rs_chain **key;

	if (!c->table->xtables || c->nrules || !c->referenced || map_get(&t->seen, &c, sizeof(c)))
		return 0;
	key = arena_new(t->arena, const struct rs_chain *);
	if (!key)
		return -ENOMEM;
	*key = c;
	return map_put(&t->seen, key, sizeof(*key), key) < 0 ? -ENOMEM : array_push(&t->bare, c);
}

static bool of_service(const struct rs_chain *c)
{
	static const char *const prefixes[] = { "KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-XLB-", "KUBE-FW-", "KUBE-SEP-" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(c->name, prefixes[i]))
			return true;
	return false;
}

/* Whatever the Services are, these rules are there. */
static int look_for_common(struct torn_family *t, const struct vnode *v, const struct expect_rules *common)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < common->v.len; i++) {
		const struct expect_rule *e = &common->v.v[i];
		/* What hangs on the members of a set may be missing for want of these. */
		bool always = e->part == PART_RULE && !e->optional && !e->needs;
		const struct rs_table *tab = always ? ruleset_find_table(&t->node->rules, v->backend[t->six], t->six ? RS_IP6 : RS_IP4, e->table) : NULL;
		const struct rs_chain *c = tab ? table_find_chain(tab, e->chain) : NULL;

		if (c && is_proxy_chain(c))
			r = add_bare(t, c);
	}
	return r;
}

/* Chains of Services are never empty, for kube-proxy removes them with their last rule. */
static int look_at_services(struct torn_family *t)
{
	int r = 0;

	for (size_t i = 0; i < t->node->rules.tables.len; i++) {
		const struct rs_table *tab = t->node->rules.tables.v[i];

		if (tab->family != (t->six ? RS_IP6 : RS_IP4))
			continue;
		for (size_t k = 0; r == 0 && k < tab->chain_list.len; k++)
			if (is_proxy_chain(tab->chain_list.v[k]) && of_service(tab->chain_list.v[k]))
				r = add_bare(t, tab->chain_list.v[k]);
	}
	return r;
}

static int tell(struct torn_family *t, const char *line)
{
	return line ? array_push(&t->why, line) : -ENOMEM;
}

static int tell_bare(struct torn_family *t)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n = t->bare.len;

	for (size_t i = 0; i < n && i < CHAINS_SHOWN; i++)
		strbuf_addf(&b, "%s%s %s", i == 0 ? "" : i + 1 == n ? " and " : ", ", t->bare.v[i]->table->name, t->bare.v[i]->name);
	if (n > CHAINS_SHOWN)
		strbuf_addf(&b, " and %zu more", n - CHAINS_SHOWN);
	strbuf_addf(&b, n == 1 ? " holds no rule, and packets are sent there" : " hold no rule, and packets are sent there");
	return b.failed ? -ENOMEM : tell(t, arena_strndup(t->arena, strbuf_str(&b), b.len));
}

bool vnode_never_synced(const struct snap_node *n, unsigned six)
{
	const struct snap_proxy *p = &n->proxy;

	/* Its health port says so without a time, or with the zero time of Go. */
	return (p->metrics_known && !p->synced[six]) ||
	       (p->healthz_known && (!p->healthz_last_updated || str_starts(p->healthz_last_updated, "0001-")));
}

static int tell_proxy(struct torn_family *t)
{
	const struct snap_proxy *p = &t->node->proxy;
	const char *family = t->six ? "IPv6" : "IPv4";
	int r = 0;

	if (p->metrics_known && !p->synced[t->six])
		r = tell(t, arena_printf(t->arena, "kube-proxy's metrics know of no finished sync of %s rules", family));
	else if (vnode_never_synced(t->node, t->six))
		r = tell(t, "kube-proxy's health port knows of no finished sync");
	if (r == 0 && p->sync_failed[t->six])
		r = tell(t, arena_printf(t->arena, "its metrics count %s rules that it failed to load", family));
	if (r == 0 && p->missing_extension && t->why.len)
		r = tell(t, arena_printf(t->arena, "its log says that the kernel does not support the match or target '%s' of iptables",
					 p->missing_extension));
	return r;
}

static int finish(struct torn_family *t, bool unfinished, struct verify_torn *ret)
{
	const char **why = arena_array(t->arena, const char *, t->why.len);

	if (!why)
		return -ENOMEM;
	memcpy(why, t->why.v, t->why.len * sizeof(*why));
	*ret = (struct verify_torn){ .node = t->node->name, .family = t->six ? AF_INET6 : AF_INET, .unfinished = unfinished,
				     .chains = t->bare.len, .why = why, .nwhy = t->why.len };
	ret->text = arena_printf(t->arena, unfinished ? "kube-proxy on node %s has never been done with its %s rules: what is missing may not be there yet" :
				 "on node %s kube-proxy's %s rules are not whole: the dump may be one of a moment's", t->node->name,
				 t->six ? "IPv6" : "IPv4");
	return ret->text ? 1 : -ENOMEM;
}

/* Something of kube-proxy is there for this family: else it has written nothing, which is another fault. */
static bool has_part(const struct vnode *v, unsigned six)
{
	for (size_t i = 0; i < v->snap->rules.servers.len; i++)
		if (v->snap->rules.servers.v[i]->addr.family == (six ? AF_INET6 : AF_INET))
			return true;
	return v->has_chains[six];
}

static int look_at_family(struct vnode *v, unsigned six, struct arena *arena, struct verify_torn *ret)
{
	CLEANUP(torn_release) struct torn_family t = { .node = v->snap, .six = six, .arena = arena };
	const struct expect_rules *common = vnode_common(v, six ? AF_INET6 : AF_INET);
	bool unfinished = vnode_never_synced(v->snap, six);
	int r;

	if (!has_part(v, six) || v->damaged[six])
		return 0;
	r = common ? look_for_common(&t, v, common) : -ENOMEM;
	if (r == 0)
		r = look_at_services(&t);
	if (r == 0 && t.bare.len)
		r = tell_bare(&t);
	if (r == 0)
		r = tell_proxy(&t);
	return r < 0 || !(t.bare.len || unfinished) ? r : finish(&t, unfinished, ret);
}

int verify_torn_find(const struct snapshot *s, const struct snap_node *n, struct arena *arena, struct verify_torn ret[static 2])
{
	struct vnode v = { 0 };
	int found = 0, r;

	if (!n->any_rules || verify_other_plane(s, n))
		return 0;
	r = vnode_init(&v, s, n);
	for (unsigned six = 0; r >= 0 && six < 2; six++) {
		r = look_at_family(&v, six, arena, &ret[found]);
		found += r > 0;
	}
	vnode_release(&v);
	return r < 0 ? r : found;
}
