/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the command `rules`: for each Service port and node, the chains by name, found against needed. */
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

static const char *row_role(const struct expect_rule *e)
{
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
		if (str_starts(e->chain, "KUBE-SEP-"))
			return "endpoint";
		if (str_starts(e->chain, "KUBE-SVL-"))
			return "local";
		if (str_starts(e->chain, "KUBE-EXT-") || str_starts(e->chain, "KUBE-XLB-"))
			return "external";
		return str_starts(e->chain, "KUBE-FW-") ? "firewall" : "service";
	}
}

/* An entry in a shared chain is a row of its own; the Service's own chains are a row each. */
static bool own_chain(const struct expect_rule *e)
{
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

static const char *condition_of(struct table_run *t, const struct expect_rule *e)
{
	const char *p = option_value(t->out, e->text, "--probability "), *from = option_value(t->out, e->text, " -s "), *dport;

	if (e->role == ROLE_BALANCE)
		return p ? arena_printf(t->out, "probability %s", p) : "else";
	if (e->role == ROLE_FIREWALL && from)
		return arena_printf(t->out, "source %s", from);
	if (e->role == ROLE_MASQ)
		return from ? arena_printf(t->out, "marked unless source %s", from) : "marked";
	if (own_chain(e))
		return NULL;
	dport = option_value(t->out, e->text, "--dport ");
	from = option_value(t->out, e->text, " -d ");
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

static struct rules_row *row_for(struct table_run *t, const struct expect_rule *e)
{
	struct rules_row row = { .role = row_role(e), .table = e->table, .chain = e->chain };

	for (size_t i = 0; own_chain(e) && i < t->port->rows.len; i++)
		if (strcmp(t->port->rows.v[i].chain, e->chain) == 0 && strcmp(t->port->rows.v[i].table, e->table) == 0)
			return &t->port->rows.v[i];
	row.table = arena_strdup(t->out, e->table);
	row.chain = arena_strdup(t->out, e->chain);
	row.condition = own_chain(e) && strcmp(row.role, "endpoint") == 0 ? entry_condition(t, e->chain) : condition_of(t, e);
	if (!own_chain(e))
		row.target = e->target ? arena_strdup(t->out, e->target) : e->role == ROLE_REFUSE || e->role == ROLE_FW_DROP ?
			option_value(t->out, e->text, " -j ") : NULL;
	if (!row.table || !row.chain || array_push(&t->port->rows, row) < 0)
		return NULL;
	return &t->port->rows.v[t->port->rows.len - 1];
}

static int set_target(struct table_run *t, struct rules_row *row, const struct expect_rule *e)
{
	char buf[IP_ENDPOINT_STRLEN];

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
	const struct rs_rule *r = vnode_find_rule(t->v, &t->scratch, family, e->table, e->chain, e->text, NULL);
	struct rules_row *row;

	if (e->optional && !r)
		return 0;
	row = row_for(t, e);
	if (!row)
		return -ENOMEM;
	row->needed++;
	if (r) {
		row->found++;
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

	if (!c || strcmp(row->role, "entry") == 0 || strcmp(row->role, "nodeport") == 0 || strcmp(row->role, "refuse") == 0)
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
