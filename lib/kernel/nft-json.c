/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `nft -j list ruleset`: every table that iptables-nft-save cannot show. kube-proxy has an anonymous map for each Service, whose elements
 * need a request each: two threads read the elements of all sets first, as text, and then the rules go by.
 */
#include <errno.h>

#include "nft-json-private.h"

#define SETS_AT_ONCE 64u
#define MANY_SETS 200u	  /* from here on their elements cost more than a look at the rules */
#define RULES_IN_ONE_DUMP 30000u /* above, the kernel's walk from the start for every message costs more than a request for each chain */

/* ---- sets ---- */

static const char *set_key(char *buffer, size_t size, const struct nft_table *t, const char *name)
{
	int n = snprintf(buffer, size, "%u %s %s", t->family, t->name, name);

	return n > 0 && (size_t)n < size ? buffer : NULL;
}

struct jset *nft_find_set(struct nft_json *j, const struct nft_table *t, const char *name)
{
	char key[640];

	return set_key(key, sizeof(key), t, name) ? map_gets(&j->by_name, key) : NULL;
}

int nft_remember_set(struct nft_json *j, struct jset *s)
{
	char text[640], *key;

	if (!set_key(text, sizeof(text), s->set->table, s->set->name))
		return 0;
	key = arena_strdup(&j->d->arena, text);
	return key ? map_puts(&j->by_name, key, s) : -ENOMEM;
}

/* Rules of a table, in one dump where that is less than one for each chain. */
static int ask_rules(struct nft_json *j, struct nft_sock *s, const struct nft_table *t, nft_fn *fn)
{
	int r = 0;

	if (t->users <= RULES_IN_ONE_DUMP)
		return nft_dump_rules(s, t, NULL, fn, j);
	for (size_t i = 0; i < j->d->chains.len && r == 0; i++)
		if (j->d->chains.v[i]->table == t)
			r = nft_dump_rules(s, t, j->d->chains.v[i], fn, j);
	return r;
}

static int scan_rules(struct nft_json *j, struct nft_sock *s)
{
	int r = 0;

	for (size_t i = 0; i < j->d->tables.len && r == 0; i++) {
		j->table = j->d->tables.v[i];
		if (!j->table->in_save)
			r = ask_rules(j, s, j->table, nft_scan_rule);
	}
	return r;
}

struct batch {
	struct jset *sets;
	size_t len;
};

static void read_batch(void *arg, void *part, unsigned who)
{
	struct nft_json *j = arg;
	struct batch *b = part;
	struct jworker *w = &j->workers[who];

	for (size_t i = 0; i < b->len; i++)
		b->sets[i].who = (uint8_t)who;
	if (w->r == 0)
		w->r = nft_read_several(w, b->sets, b->len);
}

/* Those of tables that are printed, in batches that two threads share. */
static int read_sets(struct nft_json *j, struct nft_sock *s)
{
	size_t n = 0, nbatches;
	struct batch *batches;
	struct crew *crew;
	int r = 0;

	for (size_t i = 0; i < j->d->sets.len && r == 0; i++) {
		if (j->d->sets.v[i]->table->in_save)
			continue;
		j->sets[n].set = j->d->sets.v[i];
		nft_describe_set(&j->sets[n]);
		r = nft_remember_set(j, &j->sets[n++]);
	}
	if (r == 0 && n >= MANY_SETS)
		r = scan_rules(j, s);
	nbatches = (n + SETS_AT_ONCE - 1) / SETS_AT_ONCE;
	batches = r == 0 ? arena_array(&j->d->arena, struct batch, nbatches + 1) : NULL;
	if (!batches)
		return -ENOMEM;
	crew = nbatches > 1 ? crew_start(read_batch, j) : NULL;
	for (size_t i = 0; i < nbatches; i++) {
		batches[i] = (struct batch){ &j->sets[i * SETS_AT_ONCE], MIN(SETS_AT_ONCE, n - i * SETS_AT_ONCE) };
		if (crew)
			crew_add(crew, &batches[i]);
		else
			read_batch(j, &batches[i], 0);
	}
	crew_finish(crew);
	for (unsigned i = 0; i < CREW_SIZE && r == 0; i++) {
		r = j->workers[i].r;
		j->partial |= j->workers[i].partial;
	}
	return r;
}

/* ---- writing objects ---- */

static void begin(struct nft_json *j, const char *kind)
{
	strbuf_adds(j->out, j->first ? "{\"" : ", {\"");
	j->first = false;
	strbuf_adds(j->out, kind);
	ADD(j->out, "\": {\"family\": \"");
	strbuf_adds(j->out, nft_family_name(j->table->family));
	ADD(j->out, "\"");
}

static void put_name(struct nft_json *j, const char *key, const char *name)
{
	ADD(j->out, ", \"");
	strbuf_adds(j->out, key);
	ADD(j->out, "\": ");
	nft_put_string(j->out, name, strlen(name));
}

static void put_handle(struct nft_json *j, uint64_t handle)
{
	ADD(j->out, ", \"handle\": ");
	nft_put_number(j->out, handle);
}

static void put_comment(struct nft_json *j, struct nft_attr userdata, uint8_t type)
{
	size_t len = 0;
	const char *s = nft_comment(userdata, type, &len);

	if (!s)
		return;
	ADD(j->out, ", \"comment\": ");
	nft_put_string(j->out, s, len);
}

static void put_table(struct nft_json *j)
{
	static const struct jword flags[] = { { NFT_TABLE_F_DORMANT, "dormant" }, { 2, "owner" }, { 4, "persist" } }; /* NFT_TABLE_F_* */
	const struct nft_table *t = j->table;

	begin(j, "table");
	put_name(j, "name", t->name);
	put_handle(j, t->handle);
	if (t->flags & 7) {
		ADD(j->out, ", \"flags\": ");
		nft_put_words(j->out, t->flags, flags, ARRAY_LEN(flags), true);
	}
	put_comment(j, t->comment, 0);
	ADD(j->out, "}}");
}

/* ---- chains ---- */

/* NF_INET_*, NF_BR_*, NF_ARP_*, NF_NETDEV_*: include/uapi/linux/netfilter.h and its neighbours */
static const char *hook_name(uint8_t family, uint32_t hook)
{
	static const char *const inet[] = { "prerouting", "input", "forward", "output", "postrouting", "ingress" };
	static const char *const arp[] = { "input", "output", "forward" };
	static const char *const netdev[] = { "ingress", "egress" };

	if (family == 3)
		return hook < ARRAY_LEN(arp) ? arp[hook] : "unknown";
	if (family == 5)
		return hook < ARRAY_LEN(netdev) ? netdev[hook] : "unknown";
	return hook < ARRAY_LEN(inet) ? inet[hook] : "unknown";
}

static void put_devices(struct nft_json *j, struct nft_attr devs)
{
	const uint8_t *p = devs.p, *end = p ? p + devs.size : NULL;
	struct nft_attr a;
	uint16_t type;
	unsigned n = 0;

	if (!p)
		return;
	/* one device is a string itself */
	if (memchr(p, 0, devs.size) && devs.size <= 16 && p[0] >= ' ') {
		put_name(j, "dev", (const char *)p);
		return;
	}
	ADD(j->out, ", \"dev\": [");
	while (nft_attr_next(&p, end, &type, &a)) {
		strbuf_adds(j->out, n++ ? ", " : "");
		nft_put_string(j->out, (const char *)a.p, strnlen((const char *)a.p, a.size));
	}
	ADD(j->out, "]");
}

static void put_chain(struct nft_json *j, const struct nft_chain *c)
{
	begin(j, "chain");
	put_name(j, "table", j->table->name);
	put_name(j, "name", c->name);
	put_handle(j, c->handle);
	if (c->has_hook) {
		put_name(j, "type", c->type ? c->type : "filter");
		put_name(j, "hook", hook_name(j->table->family, c->hooknum));
		strbuf_addf(j->out, ", \"prio\": %d", c->prio);
		put_devices(j, c->devs);
		put_name(j, "policy", c->policy == 0 ? "drop" : "accept");
	}
	put_comment(j, c->userdata, 0);
	ADD(j->out, "}}");
}

/* ---- named sets ---- */

static void put_types(struct strbuf *b, const struct jtype *t, unsigned n, bool joined)
{
	strbuf_adds(b, n == 1 ? "\"" : joined ? "\"" : "[\"");
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(b, i == 0 ? "" : joined ? " . " : "\", \"");
		strbuf_adds(b, nft_dt_name(t[i].dt));
	}
	strbuf_adds(b, n == 1 || joined ? "\"" : "\"]");
}

static void put_map_type(struct strbuf *b, const struct jset *s)
{
	static const char *const kinds[] = {
		[NFT_OBJECT_COUNTER] = "counter", [NFT_OBJECT_QUOTA] = "quota", [NFT_OBJECT_CT_HELPER] = "ct helper", [NFT_OBJECT_LIMIT] = "limit",
		[NFT_OBJECT_CT_TIMEOUT] = "ct timeout", [NFT_OBJECT_SECMARK] = "secmark", [NFT_OBJECT_CT_EXPECT] = "ct expectation",
		[NFT_OBJECT_SYNPROXY] = "synproxy",
	};
	uint32_t type = s->set->obj_type;

	ADD(b, ", \"map\": ");
	if (s->is_vmap)
		ADD(b, "\"verdict\"");
	else if (s->is_objmap)
		strbuf_addf(b, "\"%s\"", type < ARRAY_LEN(kinds) && kinds[type] ? kinds[type] : "unknown");
	else
		put_types(b, s->data, s->ndata, true);
}

/* "dynamic" as later versions of nft write it: 1.0.6 says nothing. */
static void put_set_facts(struct nft_json *j, const struct nft_set *s)
{
	static const struct jword flags[] = {
		{ NFT_SET_CONSTANT, "constant" }, { NFT_SET_INTERVAL, "interval" }, { NFT_SET_TIMEOUT, "timeout" }, { NFT_SET_EVAL, "dynamic" },
	};
	uint32_t f = s->flags & (NFT_SET_CONSTANT | NFT_SET_INTERVAL | NFT_SET_TIMEOUT | NFT_SET_EVAL);
	size_t len = 0;
	const char *merge = nft_comment(s->userdata, 2, &len); /* NFTNL_UDATA_SET_MERGE_ELEMENTS */

	if (s->policy == NFT_SET_POL_MEMORY)
		put_name(j, "policy", "memory");
	if (s->size)
		strbuf_addf(j->out, ", \"size\": %u", s->size);
	if (f) {
		ADD(j->out, ", \"flags\": ");
		nft_put_words(j->out, f, flags, ARRAY_LEN(flags), true);
	}
	if (s->timeout)
		strbuf_addf(j->out, ", \"timeout\": %llu", (unsigned long long)(s->timeout / 1000));
	if (s->gc_interval)
		strbuf_addf(j->out, ", \"gc-interval\": %u", s->gc_interval / 1000);
	if (merge && *merge)
		ADD(j->out, ", \"auto-merge\": true");
}

static void put_set(struct nft_json *j, const struct jset *s)
{
	const struct jworker *w = &j->workers[s->who];

	begin(j, s->is_map ? "map" : "set");
	put_name(j, "name", s->set->name);
	put_name(j, "table", j->table->name);
	ADD(j->out, ", \"type\": ");
	put_types(j->out, s->key, s->nkey, false);
	put_handle(j, s->set->handle);
	if (s->is_map)
		put_map_type(j->out, s);
	put_comment(j, s->set->userdata, 7); /* NFTNL_UDATA_SET_COMMENT */
	put_set_facts(j, s->set);
	if (s->size) {
		ADD(j->out, ", \"elem\": [");
		strbuf_add(j->out, w->text.s + s->at, s->size);
		ADD(j->out, "]");
	}
	if (s->set->expr.p || s->set->exprs.p) {
		ADD(j->out, ", \"stmt\": [");
		j->partial |= !nft_put_statefuls(j->out, s->set->expr, s->set->exprs, true);
		ADD(j->out, "]");
	}
	ADD(j->out, "}}");
}

/* ---- other objects ---- */

static void put_limit_object(struct nft_json *j, struct nft_attr data)
{
	struct nft_attr a[NFTA_LIMIT_MAX + 1];
	uint64_t unit;

	if (!nft_nested(data, a, ARRAY_LEN(a)))
		return;
	unit = nft_u64(a[NFTA_LIMIT_UNIT], 0);
	strbuf_addf(j->out, ", \"rate\": %llu, \"per\": \"%s\", \"burst\": %u", (unsigned long long)nft_u64(a[NFTA_LIMIT_RATE], 0),
		    unit == 60 ? "minute" : unit == 3600 ? "hour" : unit == 86400 ? "day" : unit == 604800 ? "week" : "second",
		    nft_u32(a[NFTA_LIMIT_BURST], 0));
	if (nft_u32(a[NFTA_LIMIT_TYPE], 0) == NFT_LIMIT_PKT_BYTES)
		ADD(j->out, ", \"rate_unit\": \"bytes\", \"burst_unit\": \"bytes\"");
	if (nft_u32(a[NFTA_LIMIT_FLAGS], 0) & NFT_LIMIT_F_INV)
		ADD(j->out, ", \"inv\": true");
}

static void put_quota_object(struct nft_json *j, struct nft_attr data)
{
	struct nft_attr a[NFTA_QUOTA_MAX + 1];

	if (!nft_nested(data, a, ARRAY_LEN(a)))
		return;
	strbuf_addf(j->out, ", \"bytes\": %llu, \"used\": %llu, \"inv\": %s", (unsigned long long)nft_u64(a[NFTA_QUOTA_BYTES], 0),
		    (unsigned long long)nft_u64(a[NFTA_QUOTA_CONSUMED], 0), nft_u32(a[NFTA_QUOTA_FLAGS], 0) & NFT_QUOTA_F_INV ? "true" : "false");
}

static void put_counter_object(struct nft_json *j, struct nft_attr data)
{
	struct nft_attr a[NFTA_COUNTER_MAX + 1];

	if (nft_nested(data, a, ARRAY_LEN(a)))
		strbuf_addf(j->out, ", \"packets\": %llu, \"bytes\": %llu", (unsigned long long)nft_u64(a[NFTA_COUNTER_PACKETS], 0),
			    (unsigned long long)nft_u64(a[NFTA_COUNTER_BYTES], 0));
}

static void put_helper_object(struct nft_json *j, struct nft_attr data)
{
	struct nft_attr a[NFTA_CT_HELPER_MAX + 1];
	uint8_t proto;

	if (!nft_nested(data, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_CT_HELPER_NAME]))
		return;
	put_name(j, "type", nft_str(a[NFTA_CT_HELPER_NAME]));
	proto = a[NFTA_CT_HELPER_L4PROTO].p && a[NFTA_CT_HELPER_L4PROTO].size ? a[NFTA_CT_HELPER_L4PROTO].p[0] : 0;
	ADD(j->out, ", \"protocol\": ");
	nft_put_value(j->out, (struct jtype){ .dt = DT_INET_PROTOCOL }, &proto, 1);
	if (a[NFTA_CT_HELPER_L3PROTO].p && a[NFTA_CT_HELPER_L3PROTO].size >= 2)
		put_name(j, "l3proto", nft_family_name((uint8_t)nft_number(a[NFTA_CT_HELPER_L3PROTO].p, 2, false)));
}

static int on_object(void *arg, const struct nlmsghdr *h)
{
	static const struct {
		const char *kind;
		void (*print)(struct nft_json *j, struct nft_attr data);
	} rows[] = {
		[NFT_OBJECT_COUNTER] = { "counter", put_counter_object }, [NFT_OBJECT_QUOTA] = { "quota", put_quota_object },
		[NFT_OBJECT_LIMIT] = { "limit", put_limit_object }, [NFT_OBJECT_CT_HELPER] = { "ct helper", put_helper_object },
		[NFT_OBJECT_CT_TIMEOUT] = { "ct timeout", NULL }, [NFT_OBJECT_CT_EXPECT] = { "ct expectation", NULL },
		[NFT_OBJECT_SECMARK] = { "secmark", NULL }, [NFT_OBJECT_SYNPROXY] = { "synproxy", NULL }, [NFT_OBJECT_TUNNEL] = { "tunnel", NULL },
	};
	struct nft_json *j = arg;
	struct nft_attr a[NFTA_OBJ_MAX + 1];
	uint32_t type;

	if (!nft_message(h, NULL, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_OBJ_NAME])) {
		j->partial = true;
		return 0;
	}
	type = nft_u32(a[NFTA_OBJ_TYPE], 0);
	if (type >= ARRAY_LEN(rows) || !rows[type].kind) {
		j->partial = true;
		return 0;
	}
	begin(j, rows[type].kind);
	put_name(j, "name", nft_str(a[NFTA_OBJ_NAME]));
	put_name(j, "table", j->table->name);
	put_handle(j, nft_u64(a[NFTA_OBJ_HANDLE], 0));
	if (rows[type].print)
		rows[type].print(j, a[NFTA_OBJ_DATA]);
	put_comment(j, a[NFTA_OBJ_USERDATA], 0);
	ADD(j->out, "}}");
	return 0;
}

static int on_flowtable(void *arg, const struct nlmsghdr *h)
{
	struct nft_json *j = arg;
	struct nft_attr a[NFTA_FLOWTABLE_MAX + 1], hook[NFTA_FLOWTABLE_HOOK_MAX + 1];

	if (!nft_message(h, NULL, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_FLOWTABLE_NAME]) || !nft_nested(a[NFTA_FLOWTABLE_HOOK], hook, ARRAY_LEN(hook))) {
		j->partial = true;
		return 0;
	}
	begin(j, "flowtable");
	put_name(j, "name", nft_str(a[NFTA_FLOWTABLE_NAME]));
	put_name(j, "table", j->table->name);
	put_handle(j, nft_u64(a[NFTA_FLOWTABLE_HANDLE], 0));
	put_name(j, "hook", "ingress");
	strbuf_addf(j->out, ", \"prio\": %d", (int)nft_u32(hook[NFTA_FLOWTABLE_HOOK_PRIORITY], 0));
	put_devices(j, hook[NFTA_FLOWTABLE_HOOK_DEVS]);
	ADD(j->out, "}}");
	return 0;
}

static int put_objects(struct nft_json *j, struct nft_sock *s)
{
	const struct nft_ask objects = { .type = NFT_MSG_GETOBJ, .family = j->table->family, .attr = NFTA_OBJ_TABLE, .name = j->table->name };

	return nft_ask(s, &objects, on_object, j);
}

static int put_flowtables(struct nft_json *j, struct nft_sock *s)
{
	const struct nft_ask ask = { .type = NFT_MSG_GETFLOWTABLE, .family = j->table->family, .attr = NFTA_FLOWTABLE_TABLE, .name = j->table->name };

	return nft_ask(s, &ask, on_flowtable, j);
}

/* ---- all together ---- */

static void on_set(struct nft_json *j, struct jset *s)
{
	j->jumps += s->jumps;
	j->may_be_more |= s->is_vmap && s->set->flags & NFT_SET_TIMEOUT;
	if (!(s->set->flags & NFT_SET_ANONYMOUS))
		put_set(j, s);
}

/*
 * A transaction shows its generation before the old objects are gone: all the chains of a table can look empty then. But each of them says
 * how many rules and jumps it has (net/netfilter/nf_tables_api.c, nft_use_inc).
 */
static int print_table(struct nft_json *j, struct nft_sock *s, const struct nft_table *t)
{
	int r;

	j->table = t;
	j->rules = j->jumps = 0;
	j->may_be_more = false;
	put_table(j);
	r = put_objects(j, s);
	for (size_t i = 0; i < j->d->sets.len && j->sets[i].set; i++)
		if (j->sets[i].set->table == t)
			on_set(j, &j->sets[i]);
	if (r == 0)
		r = put_flowtables(j, s);
	for (size_t i = 0; i < j->d->chains.len && r == 0; i++) {
		if (j->d->chains.v[i]->table != t)
			continue;
		put_chain(j, j->d->chains.v[i]);
		/* The rule that holds such a chain is counted twice (6.18). */
		j->may_be_more |= j->d->chains.v[i]->flags & NFT_CHAIN_BINDING;
	}
	if (r == 0)
		r = ask_rules(j, s, t, nft_json_rule);
	if (r == 0 && j->rules + j->jumps != t->users && !(j->may_be_more && j->rules + j->jumps < t->users))
		r = -EINTR;
	return r;
}

static void release(struct nft_json *j)
{
	for (unsigned i = 0; i < CREW_SIZE; i++) {
		nft_sock_close(&j->workers[i].sock);
		strbuf_release(&j->workers[i].text);
		arena_release(&j->workers[i].arena);
	}
	map_release(&j->by_name);
	strbuf_release(&j->rule.scratch);
	free(j->sets);
	free(j);
}

static int prepare(struct nft_json *j, struct jworker *workers)
{
	int r = 0;

	j->workers = workers;
	j->first = true;
	for (unsigned i = 0; i < CREW_SIZE; i++)
		workers[i].sock.fd = -1;
	j->sets = calloc(j->d->sets.len + 1, sizeof(*j->sets));
	for (unsigned i = 0; i < CREW_SIZE && r == 0; i++)
		r = nft_sock_open(&workers[i].sock);
	return j->sets ? r : -ENOMEM;
}

int nft_json(struct nft_dump *d, struct nft_sock *s, struct kernel_text *ret)
{
	struct jworker workers[CREW_SIZE] = { 0 };
	struct nft_json *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->d = d;
	j->rule.j = j;
	j->out = &ret->text;
	r = prepare(j, workers);
	if (r == 0)
		r = read_sets(j, s);
	ADD(&ret->text, "{\"nftables\": [");
	for (size_t i = 0; i < d->tables.len && r == 0; i++)
		if (!d->tables.v[i]->in_save)
			r = print_table(j, s, d->tables.v[i]);
	ADD(&ret->text, "]}\n");
	if (r == 0 && j->partial) {
		ret->partial = true;
		(void)snprintf(ret->why, sizeof(ret->why), "some rules or elements of nf_tables are of a kind that is not known");
	}
	release(j);
	return r == 0 && ret->text.failed ? -ENOMEM : r;
}
