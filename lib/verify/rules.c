/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of the command `rules`: for each Service port and node, what kube-proxy must have made for it, found against needed.
 * Chains are a row each, and so are sets of which several members are its own; an entry in what Services share, a virtual server
 * and a real server are a row each.
 */
#include <errno.h>

#include "verify-private.h"

struct table_run {
	struct vnode *v;
	struct arena *out;
	struct arena scratch;
	struct rules_port *port;
	const struct expect_rules *rules;
	struct map set; /* of rules */
};

static bool of_chain(const struct expect_rule *e, const char *xtables, const char *nft)
{
	return str_starts(e->chain, xtables) || str_starts(e->chain, nft);
}

/* What is no rule: elements and members, servers, addresses. */
static const char *part_role(const struct expect_rule *e)
{
	switch (e->part) {
	case PART_SET:
		return "affinity";
	case PART_REAL:
		return "endpoint";
	case PART_MEMBER:
		return "set";
	case PART_ADDRESS:
		return "address";
	case PART_RULE:
	case PART_ELEMENT:
	case PART_SERVER:
		break;
	}
	switch (e->role) {
	case ROLE_ENTRY:
		return e->part == PART_SERVER ? "server" : "entry";
	case ROLE_NODEPORT:
		return "nodeport";
	case ROLE_REFUSE:
		return "refuse";
	case ROLE_FIREWALL:
		return "firewall";
	default:
		return "set";
	}
}

static const char *row_role(const struct expect_rule *e)
{
	if (e->part != PART_RULE)
		return part_role(e);
	switch (e->role) {
	case ROLE_ENTRY:
		return "entry";
	case ROLE_NODEPORT:
	case ROLE_ACCEPT:
		return "nodeport";
	case ROLE_FW_DROP:
	case ROLE_REFUSE:
		return "refuse";
	default:
		if (of_chain(e, "KUBE-SEP-", "endpoint-"))
			return "endpoint";
		if (of_chain(e, "KUBE-SVL-", "local-"))
			return "local";
		if (of_chain(e, "KUBE-EXT-", "external-") || str_starts(e->chain, "KUBE-XLB-"))
			return "external";
		return of_chain(e, "KUBE-FW-", "firewall-") ? "firewall" : "service";
	}
}

/* An entry in a shared chain or map is a row of its own; the Service's own chains, and sets of its members, are a row each. */
static bool own_chain(const struct expect_rule *e)
{
	if (e->part == PART_RULE && strchr(e->chain, '/'))
		return true;
	if (e->part != PART_RULE)
		return e->part == PART_MEMBER || (e->part == PART_ELEMENT && (e->role == ROLE_SET || e->role == ROLE_ENDPOINT_MASQ));
	return e->role != ROLE_ENTRY && e->role != ROLE_NODEPORT && e->role != ROLE_ACCEPT && e->role != ROLE_FW_DROP &&
	       e->role != ROLE_REFUSE;
}

/* Value of an option in a rule's text, up to the next blank; NULL when it is not there. */
static const char *option_value(struct arena *a, const char *text, const char *option)
{
	const char *p = strstr(text, option);

	if (!p)
		return NULL;
	p += strlen(option);
	return arena_strndup(a, p, strcspn(p, " "));
}

/* "marked unless source 10.244.0.0/16" */
static const char *nft_condition(struct table_run *t, const struct expect_rule *e)
{
	const char *from = option_value(t->out, e->text, "saddr != ");

	if (e->role == ROLE_MASQ)
		return strstr(e->text, "fib saddr type local") ? "marked from the node itself" :
		       from ? arena_printf(t->out, "marked unless source %s", from) : "marked";
	if (e->role == ROLE_FW_DROP)
		return from ? arena_printf(t->out, "source %s", strchr(from, '{') ? "in ranges" : from) : NULL;
	return NULL;
}

static const char *part_condition(struct table_run *t, const struct expect_rule *e)
{
	const char *scheduler;

	switch (e->part) {
	case PART_SERVER:
		scheduler = option_value(t->out, e->text, " -s ");
		return strstr(e->text, " -p ") ? arena_printf(t->out, "%s, persistent", scheduler ? scheduler : "") : scheduler;
	case PART_REAL:
		return "weight 1";
	case PART_SET:
		return NULL;
	default:
		return arena_strdup(t->out, e->key);
	}
}

static const char *condition_of(struct table_run *t, const struct expect_rule *e)
{
	if (e->part != PART_RULE)
		return part_condition(t, e);
	if (strcmp(e->table, "kube-proxy") == 0)
		return nft_condition(t, e);
	const char *p = option_value(t->out, e->text, "--probability "), *from = option_value(t->out, e->text, " -s "), *dport;

	if (e->role == ROLE_BALANCE)
		return p ? arena_printf(t->out, "probability %s", p) : "else";
	if (e->role == ROLE_FIREWALL && from)
		return arena_printf(t->out, "source %s", from);
	if (e->role == ROLE_MASQ)
		return from ? arena_printf(t->out, "marked unless source %s", from) : "marked";
	if (own_chain(e))
		return NULL;
	dport = option_value(t->out, e->text, strstr(e->text, "--vport ") ? "--vport " : "--dport ");
	from = option_value(t->out, e->text, strstr(e->text, "--vaddr ") ? "--vaddr " : " -d ");
	return arena_printf(t->out, "%s%sport %s", from ? from : "", from ? " " : "", dport ? dport : "");
}

/* The condition under which a chain is entered stands in the rule that jumps to it. */
static const char *entry_condition(struct table_run *t, const char *chain)
{
	for (size_t i = 0; i < t->rules->v.len; i++) {
		const struct expect_rule *e = &t->rules->v.v[i];

		if (e->role == ROLE_BALANCE && e->target && strcmp(e->target, chain) == 0)
			return condition_of(t, e);
	}
	return NULL;
}

/* What holds it, and its place there: a table and chain of rules, a map of nftables, the kernel's virtual servers, an ipset, a link. */
static const char *table_of(const struct expect_rule *e)
{
	static const char *const tables[] = { [PART_SET] = "kube-proxy", [PART_ELEMENT] = "kube-proxy", [PART_SERVER] = "ipvs", [PART_REAL] = "ipvs",
					      [PART_MEMBER] = "ipset", [PART_ADDRESS] = "link" };

	return e->part == PART_RULE ? e->table : tables[e->part];
}

static const char *place_of(const struct expect_rule *e)
{
	return e->part == PART_RULE ? e->chain : e->part == PART_SERVER ? e->key : e->set;
}

/* Several keys of one set in one row have no condition in common. */
static struct rules_row *joined(struct rules_row *row, const struct expect_rule *e)
{
	if (e->part != PART_RULE)
		row->condition = NULL;
	return row;
}

static const char *target_of(struct table_run *t, const struct expect_rule *e)
{
	if (e->part == PART_REAL)
		return arena_strdup(t->out, e->key);
	if (e->part == PART_ELEMENT && e->value)
		return arena_strdup(t->out, e->target ? e->target : e->value);
	if (e->target)
		return arena_strdup(t->out, e->target);
	return e->part == PART_RULE && (e->role == ROLE_REFUSE || e->role == ROLE_FW_DROP) ? option_value(t->out, e->text, " -j ") : NULL;
}

static struct rules_row *row_for(struct table_run *t, const struct expect_rule *e)
{
	struct rules_row row = { .role = row_role(e), .table = table_of(e), .chain = place_of(e) };

	for (size_t i = 0; own_chain(e) && i < t->port->rows.len; i++)
		if (strcmp(t->port->rows.v[i].chain, row.chain) == 0 && strcmp(t->port->rows.v[i].table, row.table) == 0)
			return joined(&t->port->rows.v[i], e);
	row.table = arena_strdup(t->out, row.table);
	row.chain = arena_strdup(t->out, row.chain);
	row.condition = own_chain(e) && strcmp(row.role, "endpoint") == 0 ? entry_condition(t, e->chain) : condition_of(t, e);
	if (!own_chain(e))
		row.target = target_of(t, e);
	if (!row.table || !row.chain || array_push(&t->port->rows, row) < 0)
		return NULL;
	return &t->port->rows.v[t->port->rows.len - 1];
}

#define ENDPOINTS_SHOWN 3

/* A rule of nftables mode that holds all endpoints: " : 10.244.1.5 . 80", each. Chains of endpoints have rows of their own. */
static int set_balance(struct table_run *t, struct rules_row *row, const struct expect_rule *e)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n = 0;

	if (row->target || strstr(e->text, " vmap "))
		return 0;
	for (const char *at = strstr(e->text, " : "); at; at = strstr(at, " : ")) {
		size_t addr = strcspn(at += 3, " "), port = addr + 3;
		bool six = memchr(at, ':', addr);

		if (n++ < ENDPOINTS_SHOWN)
			strbuf_addf(&b, "%s%s%.*s%s:%.*s", n > 1 ? ", " : "", six ? "[" : "", (int)addr, at, six ? "]" : "",
				    strncmp(at + addr, " . ", 3) == 0 ? (int)strspn(at + port, "0123456789") : 0, at + port);
	}
	if (n > ENDPOINTS_SHOWN)
		strbuf_addf(&b, " and %zu more", n - ENDPOINTS_SHOWN);
	row->target = n && !b.failed ? arena_strndup(t->out, strbuf_str(&b), b.len) : NULL;
	return b.failed || (n && !row->target) ? -ENOMEM : 0;
}

static int set_target(struct table_run *t, struct rules_row *row, const struct expect_rule *e)
{
	char buf[IP_ENDPOINT_STRLEN];

	if (e->part != PART_RULE)
		return 0;
	if (e->role == ROLE_BALANCE && strcmp(e->table, "kube-proxy") == 0)
		return set_balance(t, row, e);
	if (e->role == ROLE_ENDPOINT && e->endpoint)
		row->target = arena_strdup(t->out, ip_endpoint_format(&e->endpoint->addr, e->endpoint->port, buf));
	else if ((e->role == ROLE_EXTERNAL || e->role == ROLE_FIREWALL) && e->target && !row->target)
		row->target = arena_strdup(t->out, e->target);
	else if (e->role == ROLE_MASQ && !row->condition)
		row->condition = condition_of(t, e);
	else
		return 0;
	return row->target || row->condition ? 0 : -ENOMEM;
}

/* How often a connection came through the chain: the first packet counts, so the rules that jump or translate tell. */
static void count_packets(struct rules_row *row, const struct expect_rule *e, const struct rs_rule *r)
{
	if (!r->has_counters || e->role == ROLE_MASQ || e->role == ROLE_ENDPOINT_MASQ)
		return;
	row->has_packets = true;
	row->packets += rule_counters(r)->packets;
}

static int add_rule(struct table_run *t, int family, const struct expect_rule *e)
{
	const struct rs_rule *r;
	struct rules_row *row;
	struct vfound f;

	vnode_look(t->v, &t->scratch, family, e, &f);
	r = f.rule;
	if (e->optional && !f.present)
		return 0;
	row = row_for(t, e);
	if (!row)
		return -ENOMEM;
	row->needed++;
	if (f.present) {
		row->found++;
		if (r)
			count_packets(row, e, r);
	} else if (!row->missing) {
		row->missing = arena_strdup(t->out, e->text);
		if (!row->missing)
			return -ENOMEM;
	}
	return set_target(t, row, e);
}

/* Rules in a chain of this port that kube-proxy would not write. */
static int count_extra(struct table_run *t, int family, struct rules_row *row)
{
	unsigned f = family == AF_INET6;
	const struct rs_table *tab = ruleset_find_table(&t->v->snap->rules, t->v->backend[f], f ? RS_IP6 : RS_IP4, row->table);
	const struct rs_chain *c = tab ? table_find_chain(tab, row->chain) : NULL;

	if (!c || (!c->table->xtables && !strchr(c->name, '/')) || strcmp(row->role, "entry") == 0 || strcmp(row->role, "nodeport") == 0 || strcmp(row->role, "refuse") == 0)
		return 0;
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_rule *r = c->rules[i];
		const char *key = expect_key(&t->scratch, row->table, row->chain, r->text, r->text_len);

		if (!key)
			return -ENOMEM;
		if (map_gets(&t->set, key))
			continue;
		row->foreign++;
		if (!row->extra)
			row->extra = arena_strndup(t->out, r->text, r->text_len);
		if (!row->extra)
			return -ENOMEM;
	}
	return 0;
}

/* Real servers that kube-proxy would not have there now; one that is about to leave stays with weight 0. */
static int count_servers(struct table_run *t, const struct expect_rule *e, struct rules_row *row)
{
	struct vfound f;

	vnode_look(t->v, &t->scratch, t->port->family, e, &f);
	for (size_t i = 0; f.server && i < f.server->nservers; i++) {
		const struct rs_real_server *real = &f.server->servers[i];
		char key[IP_ENDPOINT_STRLEN];
		bool wanted = real->weight == 0;

		(void)ip_endpoint_format(&real->addr, real->port, key);
		for (size_t k = 0; k < t->rules->v.len && !wanted; k++)
			wanted = t->rules->v.v[k].part == PART_REAL && strcmp(t->rules->v.v[k].set, e->key) == 0 && strcmp(t->rules->v.v[k].key, key) == 0;
		if (wanted)
			continue;
		row->foreign++;
		if (!row->extra)
			row->extra = vreal_text(t->out, f.server, real);
		if (!row->extra)
			return -ENOMEM;
	}
	return 0;
}

static int count_all_servers(struct table_run *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->rules->v.len; i++) {
		const struct expect_rule *e = &t->rules->v.v[i];

		for (size_t k = 0; r == 0 && e->part == PART_SERVER && k < t->port->rows.len; k++)
			if (strcmp(t->port->rows.v[k].table, "ipvs") == 0 && strcmp(t->port->rows.v[k].chain, e->key) == 0 &&
			    strcmp(t->port->rows.v[k].role, "endpoint") != 0)
				r = count_servers(t, e, &t->port->rows.v[k]);
	}
	return r;
}

static int run_port(struct vnode *v, struct rules_report *ret, const struct expect_service *s, const struct expect_port *p)
{
	struct rules_port port = { .node = v->snap->name, .service = s->service, .port = p->port, .family = p->family };
	struct expect_rules rules = { 0 };
	struct table_run t = { .v = v, .out = &ret->arena, .port = &port, .rules = &rules };
	int r = expect_port_rules(&t.scratch, &v->expect, s, p, &rules);

	if (r == 0)
		r = expect_set(&t.scratch, &rules, &t.set);
	for (size_t i = 0; r == 0 && i < rules.v.len; i++)
		r = add_rule(&t, p->family, &rules.v.v[i]);
	if (r == 0)
		r = count_all_servers(&t);
	port.complete = true;
	for (size_t i = 0; r == 0 && i < port.rows.len; i++) {
		struct rules_row *row = &port.rows.v[i];

		r = count_extra(&t, p->family, row);
		port.complete = port.complete && row->found == row->needed && row->foreign == 0;
	}
	map_release(&t.set);
	array_free(&rules.v);
	arena_release(&t.scratch);
	if (r == 0)
		r = array_push(&ret->ports, port);
	if (r < 0)
		array_free(&port.rows);
	return r;
}

int rules_run(const struct snapshot *s, const struct verify_options *o, struct rules_report *ret)
{
	const struct k8s_cluster *c = &s->cluster;
	size_t count = o->services ? o->nservices : c->services.len;
	int r = 0;

	for (size_t n = 0; r == 0 && n < s->nodes.len; n++) {
		struct verify_skipped skipped;
		struct arena scratch = { 0 };
		struct vnode v = { 0 };

		if (o->node && strcmp(o->node, s->nodes.v[n]->name) != 0)
			continue;
		r = verify_admit(s, s->nodes.v[n], &ret->arena, &skipped);
		if (r == 0)
			r = array_push(&ret->skipped, skipped);
		else if (r > 0)
			r = vnode_init(&v, s, s->nodes.v[n]);
		for (size_t i = 0; r == 0 && v.snap && i < count; i++) {
			struct expect_service es = { 0 };

			r = expect_service(&scratch, c, o->services ? o->services[i] : c->services.v[i], &v.expect, &es);
			for (size_t k = 0; r == 0 && k < es.nports; k++)
				r = run_port(&v, ret, &es, &es.ports[k]);
			arena_reset(&scratch);
		}
		vnode_release(&v);
		arena_release(&scratch);
	}
	return r;
}
