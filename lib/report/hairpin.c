/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command hairpin: nodes, bridges, ports and pods as tables, the verdict in words, and the findings below. */
#include <errno.h>

#include "report-private.h"

enum { ROWS_SHOWN = 10 };

static const struct column node_columns[] = {
	{ "node", NULL },	  { "mode", NULL },	    { "kernel", NULL },	   { "kubelet_hairpin_mode", NULL }, { "kubelet_judged", NULL },
	{ "judged_by", NULL },	  { "not_walked", NULL },   { "pods", NULL },	   { "pods_asked", NULL },	     { "pods_that_cannot", NULL },
	{ "itself", NULL },	  { "because", NULL },	    { "neighbour", NULL }, { "neighbour_because", NULL },    { "verdict", NULL },
};
static const struct column bridge_columns[] = {
	{ "node", NULL },		{ "bridge", NULL },	       { "promiscuous", NULL },	      { "promiscuous_helps", NULL },
	{ "bridge_nf_call_iptables", NULL }, { "bridge_nf_call_ip6tables", NULL }, { "cni_file", NULL }, { "cni_hairpin_mode", NULL },
	{ "cni_promisc_mode", NULL },	{ "cni_ip_masq", NULL },       { "ports", NULL },	      { "pods", NULL },
};
static const struct column port_columns[] = {
	{ "node", NULL },	 { "bridge", NULL },   { "port", "PORT" }, { "hairpin", "HAIRPIN" }, { "promiscuous", "PROMISC" },
	{ "pods", "PODS" },	 { "itself", "ITSELF" }, { "because", NULL },
};
static const struct column pod_columns[] = {
	{ "node", NULL },	     { "pod", "POD" },		{ "address", "ADDRESS" }, { "interface", "INTERFACE" }, { "port", "PORT" },
	{ "service", "SERVICE" },    { "frontend", NULL },	{ "masquerade", "MASQUERADED" }, { "itself", "ITSELF" }, { "because", NULL },
	{ "neighbour", "NEIGHBOUR" }, { "from", NULL },		{ "neighbour_because", NULL },
};

static const char *tri_text(enum tri t)
{
	return t == TRI_TRUE ? "yes" : t == TRI_FALSE ? "no" : "unknown";
}

/* Text that a cell points to, kept in @a. */
static void kept(struct table *t, struct arena *a, const char *s)
{
	const char *copy = arena_strdup(a, s);
	t->failed |= s && !copy;
	table_text(t, copy);
}

static void kept_address(struct table *t, struct arena *a, const struct ip_addr *addr)
{
	char buf[IP_ADDR_STRLEN];
	kept(t, a, addr->family ? ip_addr_format(addr, buf) : NULL);
}

static void port_row(struct table *t, const struct hairpin_port *p)
{
	table_text(t, p->node);
	table_text(t, p->bridge->name);
	table_text(t, p->link->name);
	table_bool(t, p->link->hairpin);
	table_bool(t, p->link->promisc);
	table_number(t, (int64_t)p->pods);
	table_text(t, hairpin_can_name(p->self.can));
	table_text(t, p->self.why);
}

static void pod_row(struct table *t, struct arena *a, const struct hairpin_pod *p)
{
	struct strbuf service CLEANUP(strbuf_release) = STRBUF_INIT;
	if (p->service) {
		text_service(&service, p->service);
	}
	table_text(t, p->node);
	table_text(t, p->name);
	kept_address(t, a, &p->addr);
	table_text(t, p->dev);
	table_text(t, p->port ? p->port->name : NULL);
	kept(t, a, p->service ? strbuf_str(&service) : NULL);
	table_text(t, p->frontend);
	table_bool(t, p->masquerade);
	table_text(t, hairpin_can_name(p->self.can));
	table_text(t, p->self.why);
	table_text(t, hairpin_can_name(p->neighbour.can));
	kept_address(t, a, &p->from);
	table_text(t, p->neighbour.why);
}

static void bridge_row(struct table *t, const struct hairpin_bridge *b)
{
	table_text(t, b->node);
	table_text(t, b->link->name);
	table_bool(t, b->promisc);
	table_text(t, tri_text(b->promisc_helps));
	table_text(t, tri_text(b->calls[0]));
	table_text(t, tri_text(b->calls[1]));
	table_text(t, b->cni ? b->cni->file : NULL);
	table_bool(t, b->cni ? b->cni->hairpin : -1);
	table_bool(t, b->cni ? b->cni->promisc : -1);
	table_bool(t, b->cni ? b->cni->masq : -1);
	table_number(t, (int64_t)b->ports);
	table_number(t, (int64_t)b->pods);
}

/* ---- the verdict ---- */

static void because(struct strbuf *b, const struct hairpin_answer *a)
{
	if (a->why) {
		strbuf_adds(b, ", because ");
		strbuf_add_clean(b, a->why);
	}
}

static void neighbour_words(struct strbuf *b, const struct hairpin_node *n)
{
	if (n->neighbour.can == HAIRPIN_NO) {
		strbuf_adds(b, n->self.can == HAIRPIN_YES ? "; it is not reached by its neighbour" : "; nor is it reached by its neighbour");
		because(b, &n->neighbour);
	} else if (n->neighbour.can == HAIRPIN_UNKNOWN && n->self.can == HAIRPIN_YES) {
		strbuf_adds(b, "; whether its neighbour reaches it is not known: ");
		strbuf_add_clean(b, n->neighbour.why ? n->neighbour.why : "");
	}
}

static void verdict_words(struct strbuf *b, const struct hairpin_node *n)
{
	if (n->self.can == HAIRPIN_YES) {
		strbuf_adds(b, "a pod can reach itself through its Service");
	} else if (n->self.can == HAIRPIN_NO && n->cannot && n->cannot < n->asked) {
		strbuf_addf(b, "%zu of %zu pods cannot reach themselves through their Services", n->cannot, n->asked);
	} else if (n->self.can == HAIRPIN_NO) {
		strbuf_adds(b, "a pod cannot reach itself through its Service");
	} else {
		strbuf_adds(b, "whether a pod can reach itself through its Service is not known");
	}
	because(b, &n->self);
	neighbour_words(b, n);
	if (n->basis == HAIRPIN_BY_PORTS) {
		strbuf_adds(b, " (judged by bridges and ports alone: ");
		strbuf_add_clean(b, n->not_walked ? n->not_walked : "");
		strbuf_addc(b, ')');
	}
}

static const char *basis_name(enum hairpin_basis x)
{
	static const char *const names[] = { "services", "rules", "ports", NULL };
	return names[x];
}

static bool kubelet_judged(const struct hairpin_node *n)
{
	return n->kubelet_minor >= 0 && n->kubelet_minor < 24;
}

static void node_row(struct table *t, struct arena *a, const struct hairpin_node *n)
{
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	verdict_words(&words, n);
	table_text(t, n->snap->name);
	table_text(t, n->mode);
	table_text(t, n->snap->kernel);
	table_text(t, n->snap->kubelet.hairpin_mode);
	table_bool(t, n->snap->kubelet.hairpin_mode ? kubelet_judged(n) : -1);
	table_text(t, basis_name(n->basis));
	table_text(t, n->not_walked);
	table_number(t, (int64_t)n->pods);
	table_number(t, (int64_t)n->asked);
	table_number(t, (int64_t)n->cannot);
	table_text(t, hairpin_can_name(n->self.can));
	table_text(t, n->self.why);
	table_text(t, hairpin_can_name(n->neighbour.can));
	table_text(t, n->neighbour.why);
	kept(t, a, strbuf_str(&words));
}

/* ---- text ---- */

static void node_head(const struct report *r, struct strbuf *b, const struct hairpin_node *n)
{
	const char *mode = n->snap->kubelet.hairpin_mode;
	strbuf_addc(b, '\n');
	text_styled(r, b, STYLE_BOLD, n->snap->name);
	if (n->mode) {
		strbuf_addf(b, "   kube-proxy in mode %s", n->mode);
	}
	strbuf_adds(b, "   kernel ");
	strbuf_add_clean(b, n->snap->kernel ? n->snap->kernel : "not known");
	if (mode) {
		strbuf_adds(b, "   kubelet hairpinMode ");
		strbuf_add_clean(b, mode);
		strbuf_adds(b, kubelet_judged(n) ? "" : " (of no effect since 1.24)");
	}
	strbuf_addc(b, '\n');
}

static const char *setting(int v)
{
	return v < 0 ? "not set" : v ? "true" : "false";
}

static void promisc_words(struct strbuf *b, const struct hairpin_bridge *x, const char *kernel)
{
	strbuf_adds(b, x->promisc ? "   promiscuous, which " : "   not promiscuous");
	if (x->promisc) {
		strbuf_adds(b, x->promisc_helps == TRI_TRUE ? "lets a pod reach itself on kernel " : x->promisc_helps == TRI_FALSE ?
			    "changes nothing on kernel " : "may help or not: that depends on the stable level of kernel ");
		strbuf_add_clean(b, kernel ? kernel : "(not known)");
	}
}

static const char *on_off(enum tri t)
{
	return t == TRI_TRUE ? "on" : t == TRI_FALSE ? "off" : "not known";
}

static void bridge_head(const struct report *r, struct strbuf *b, const struct hairpin_bridge *x, const char *kernel)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&name, x->link->name);
	strbuf_adds(b, "  bridge ");
	text_styled(r, b, STYLE_BOLD, strbuf_str(&name));
	strbuf_addf(b, "   bridge netfilter: IPv4 %s, IPv6 %s", on_off(x->calls[0]), on_off(x->calls[1]));
	promisc_words(b, x, kernel);
	strbuf_addc(b, '\n');
	if (x->cni) {
		strbuf_adds(b, "    ");
		strbuf_add_clean(b, x->cni->file);
		strbuf_addf(b, ": hairpinMode %s, promiscMode %s, ipMasq %s\n", setting(x->cni->hairpin), setting(x->cni->promisc),
			    setting(x->cni->masq));
	}
}

static bool is_sound(const struct hairpin_answer *a)
{
	return a->can == HAIRPIN_YES || a->can == HAIRPIN_UNASKED;
}

/* Rows of a table in text: where there are many, those that are not sound, and of those the first. */
struct rows {
	bool all;
	size_t shown, sound, others; /* left out */
};

static bool show_row(struct rows *x, bool sound)
{
	bool show = x->all || (!sound && x->shown < ROWS_SHOWN);
	x->shown += show;
	x->sound += !show && sound;
	x->others += !show && !sound;
	return show;
}

static void left_out(struct strbuf *b, const struct rows *x, const char *what)
{
	size_t n = x->sound + x->others;
	if (n) {
		strbuf_addf(b, "  and %zu more %s%s%s (-v shows them)\n", n, what, n == 1 ? "" : "s", x->others ? "" : ", all well");
	}
}

static void port_table(const struct report *r, struct strbuf *b, const struct hairpin_report *h, const struct hairpin_bridge *x)
{
	struct table t CLEANUP(table_release) = { .columns = port_columns, .ncolumns = ARRAY_LEN(port_columns) };
	struct rows rows = { .all = r->verbose || x->ports <= ROWS_SHOWN };
	for (size_t i = x->first_port; i < x->first_port + x->ports; i++) {
		if (show_row(&rows, is_sound(&h->ports.v[i].self))) {
			port_row(&t, &h->ports.v[i]);
		}
	}
	if (table_rows(&t)) {
		table_print(r, b, &t, 0, table_rows(&t));
	}
	b->failed |= t.failed;
	left_out(b, &rows, "port");
}

static void pod_table(const struct report *r, struct strbuf *b, const struct hairpin_report *h, const struct hairpin_node *n)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = pod_columns, .ncolumns = ARRAY_LEN(pod_columns) };
	struct rows rows = { .all = r->verbose || n->pods <= ROWS_SHOWN };
	for (size_t i = 0; i < h->pods.len; i++) {
		const struct hairpin_pod *p = &h->pods.v[i];
		if (strcmp(p->node, n->snap->name) != 0) {
			continue;
		}
		if (show_row(&rows, is_sound(&p->self) && is_sound(&p->neighbour))) {
			pod_row(&t, &a, p);
		}
	}
	if (table_rows(&t)) {
		table_print(r, b, &t, 0, table_rows(&t));
	}
	b->failed |= t.failed;
	left_out(b, &rows, "pod");
}

static void node_text(const struct report *r, struct strbuf *b, const struct hairpin_report *h, const struct hairpin_node *n)
{
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	enum style style = n->self.can == HAIRPIN_NO || n->neighbour.can == HAIRPIN_NO ? STYLE_BAD :
		n->self.can == HAIRPIN_YES ? STYLE_GOOD : STYLE_WARN;
	node_head(r, b, n);
	for (size_t i = 0; i < h->bridges.len; i++) {
		if (strcmp(h->bridges.v[i].node, n->snap->name) == 0) {
			bridge_head(r, b, &h->bridges.v[i], n->snap->kernel);
			port_table(r, b, h, &h->bridges.v[i]);
		}
	}
	pod_table(r, b, h, n);
	verdict_words(&words, n);
	strbuf_adds(b, "  ");
	text_styled(r, b, style, strbuf_str(&words));
	strbuf_addc(b, '\n');
}

static int hairpin_text(const struct report *r, const struct hairpin_report *h, const struct diagnosis *d)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t n = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		return -ENOMEM;
	}
	text_looked_at(r, &b, NULL);
	for (size_t i = 0; !r->quiet && i < h->nodes.len; i++) {
		node_text(r, &b, h, &h->nodes.v[i]);
	}
	if (!r->quiet && h->nodes.len == 0) {
		strbuf_addf(&b, "\n%s\n", r->snapshot->live ? "not looked at: bridges (" SNAP_LIVE_NO_RULES ")" : "there are no files of any node");
	}
	for (size_t i = 0; i < n && (r->verbose || v[i]->severity > SEVERITY_INFO); i++) {
		strbuf_adds(&b, r->quiet ? "" : "\n");
		text_cause(r, &b, v[i], r->quiet ? DETAIL_LINE : DETAIL_FULL, true);
	}
	free(v);
	return text_write(r, &b);
}

/* ---- JSON ---- */

static void set_table(struct doc *doc, const char *key, struct table *t)
{
	doc_set(doc, doc->root, key, table_json(doc, t));
	table_release(t);
}

static int hairpin_json(const struct report *r, const struct hairpin_report *h, const struct diagnosis *d)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table nodes = { .columns = node_columns, .ncolumns = ARRAY_LEN(node_columns) };
	struct table bridges = { .columns = bridge_columns, .ncolumns = ARRAY_LEN(bridge_columns) };
	struct table ports = { .columns = port_columns, .ncolumns = ARRAY_LEN(port_columns) };
	struct table pods = { .columns = pod_columns, .ncolumns = ARRAY_LEN(pod_columns) };
	struct doc doc;
	for (size_t i = 0; i < h->nodes.len; i++) {
		node_row(&nodes, &a, &h->nodes.v[i]);
	}
	for (size_t i = 0; i < h->bridges.len; i++) {
		bridge_row(&bridges, &h->bridges.v[i]);
	}
	for (size_t i = 0; i < h->ports.len; i++) {
		port_row(&ports, &h->ports.v[i]);
	}
	for (size_t i = 0; i < h->pods.len; i++) {
		pod_row(&pods, &a, &h->pods.v[i]);
	}
	doc_begin(&doc, r, d, NULL, 0);
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, d));
	set_table(&doc, "nodes", &nodes);
	set_table(&doc, "bridges", &bridges);
	set_table(&doc, "ports", &ports);
	set_table(&doc, "pods", &pods);
	return doc_end(&doc, r);
}

int report_hairpin(const struct report *r, const struct hairpin_report *h, const struct diagnosis *d)
{
	if (r->format == REPORT_LINES) {
		return lines_findings(r, d);
	}
	return r->format == REPORT_JSON ? hairpin_json(r, h, d) : hairpin_text(r, h, d);
}
