/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What verify found, as text: differences with the same kind and the same rule behind them are one block, the worst
 * of the node's faults first, then what could not be decided, then what it all rests on.
 */
#include <errno.h>

#include "report-private.h"

enum { GROUPS_SHOWN = 10, TEXTS_SHOWN = 3, ASSUMED_SHOWN = 6, NODES_SHOWN = 4 };

static const enum style severity_styles[] = {
	[VERIFY_INFO] = STYLE_DIM, [VERIFY_WARNING] = STYLE_WARN, [VERIFY_ERROR] = STYLE_BAD
};

/* "5 differences", "5 differences (1 warning, 2 of info)": what is no error is counted apart. */
static void differences_counted(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	size_t n = v->differences.len, of[3] = { 0 };
	enum verify_severity worst = VERIFY_INFO;
	char text[64];
	for (size_t i = 0; i < n; i++) {
		of[v->differences.v[i].severity]++;
		worst = MAX(worst, v->differences.v[i].severity);
	}
	(void)snprintf(text, sizeof(text), "%zu difference%s", n, n == 1 ? "" : "s");
	text_styled(r, b, n ? severity_styles[worst] : STYLE_GOOD, n ? text : "no difference");
	if (of[VERIFY_WARNING] > 0) {
		strbuf_addf(b, " (%zu warning%s", of[VERIFY_WARNING], of[VERIFY_WARNING] == 1 ? "" : "s");
	}
	if (of[VERIFY_INFO] > 0) {
		strbuf_addf(b, "%s%zu of info", of[VERIFY_WARNING] > 0 ? ", " : " (", of[VERIFY_INFO]);
	}
	strbuf_adds(b, of[VERIFY_WARNING] + of[VERIFY_INFO] > 0 ? ")" : "");
}

static void summary(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	size_t nodes = v->nodes.len;
	if (v->services == 0 && text_no_services(r, b)) {
		return;
	}
	if (nodes == 0) {
		text_styled(r, b, STYLE_WARN, "no node's rules were judged");
		strbuf_adds(b, r->snapshot->live ? ": " SNAP_LIVE_NO_RULES "\n" : "\n");
		return;
	}
	strbuf_addf(b, "%zu Service%s, %zu frontend%s on %zu node%s: %zu decided, ", v->services,
		    v->services == 1 ? "" : "s", v->frontends, v->frontends == 1 ? "" : "s", nodes,
		    nodes == 1 ? "" : "s", v->decided);
	differences_counted(r, b, v);
	strbuf_addc(b, '\n');
}

static void broken_blocks(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	for (size_t i = 0; i < v->broken.len; i++) {
		const struct verify_broken *x = &v->broken.v[i];
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_addc(b, '\n');
		text_styled(r, b, STYLE_BAD, "broken");
		strbuf_addf(b, "  %s  ", x->cause);
		strbuf_add_clean(b, x->node);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, x->text);
		strbuf_addc(b, '\n');
		text_by(&line, &x->by, false);
		text_labelled(b, "by", strbuf_str(&line));
		if (x->services > 0) {
			strbuf_reset(&line);
			strbuf_addf(&line, "%zu Service%s, first %s", x->services,
				    x->services == 1 ? "" : "s", x->first ? x->first : "-");
			text_labelled(b, "affects", strbuf_str(&line));
		}
	}
}

/* Before all that follows: it is not the state that kube-proxy wanted. */
static void torn_blocks(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	for (size_t i = 0; i < v->torn.len; i++) {
		const struct verify_torn *t = &v->torn.v[i];
		strbuf_addc(b, '\n');
		text_styled(r, b, STYLE_BAD, "torn");
		strbuf_adds(b, "  ");
		strbuf_add_clean(b, t->text);
		strbuf_addc(b, '\n');
		for (size_t k = 0; k < t->nwhy; k++) {
			text_labelled(b, k ? "" : "seen", t->why[k]);
		}
	}
	strbuf_adds(b, v->torn.len ? "\n" : "");
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_by(const struct verify_by *a, const struct verify_by *b)
{
	int c = (int)a->kind - (int)b->kind;
	c = c ? c : compare_text(a->node, b->node);
	c = c ? c : compare_text(a->backend, b->backend);
	c = c ? c : compare_text(a->family, b->family);
	c = c ? c : compare_text(a->table, b->table);
	c = c ? c : compare_text(a->chain, b->chain);
	c = c ? c : (a->index > b->index) - (a->index < b->index);
	return c ? c : compare_text(a->text, b->text);
}

/* Same severity, kind and rule: one block; errors before warnings. */
static int compare_group(const void *a, const void *b)
{
	const struct verify_difference *const *pa = a, *const *pb = b;
	int c = (int)(*pb)->severity - (int)(*pa)->severity;
	c = c ? c : compare_text((*pa)->node, (*pb)->node);
	c = c ? c : (int)(*pa)->kind - (int)(*pb)->kind;
	return c ? c : compare_by(&(*pa)->by, &(*pb)->by);
}

static int compare_full(const void *a, const void *b)
{
	const struct verify_difference *const *pa = a, *const *pb = b;
	int c = compare_group(a, b);
	return c ? c : (*pa > *pb) - (*pa < *pb);
}

static void fates(struct strbuf *b, const struct verify_fate *v, size_t n)
{
	for (size_t i = 0; i < n && i < 6; i++) {
		char weight[WEIGHT_STRLEN], where[IP_ENDPOINT_STRLEN];
		strbuf_adds(b, i ? ", " : "");
		if (v[i].verdict != NAT_ACCEPT) {
			strbuf_adds(b, nat_verdict_name(v[i].verdict));
			continue;
		}
		strbuf_addf(b, "%s %s", text_weight(v[i].weight, weight),
			    v[i].addr.family ? ip_endpoint_format(&v[i].addr, v[i].port, where) : "accepted");
		strbuf_adds(b, v[i].masquerade == 1 ? " masqueraded" : "");
	}
	if (n > 6) {
		strbuf_addf(b, " and %zu more", n - 6);
	}
}

/* A packet that shows it. A node port's frontend has no address of its own. */
static void trace_command(const struct report *r, struct strbuf *b, const struct verify_difference *d)
{
	char src[IP_ADDR_STRLEN], dst[IP_ADDR_STRLEN];
	const char *rest = d->frontend ? d->frontend : "";
	if (!d->example.family) {
		return;
	}
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&line, "svcdoctor trace %s ", ip_addr_format(&d->example, src));
	if (rest[0] == '*') {
		if (d->naddresses == 0) {
			return;
		}
		bool v6 = d->addresses[0].family == AF_INET6;
		strbuf_addf(&line, "%s%s%s", v6 ? "[" : "", ip_addr_format(&d->addresses[0], dst),
			    v6 ? "]" : "");
		rest++;
	}
	strbuf_adds(&line, rest);
	if (d->node && is_k8s_name(d->node)) {
		strbuf_addf(&line, " --node %s", d->node);
	}
	strbuf_adds(b, "  trace    ");
	text_command(r, b, strbuf_str(&line));
	strbuf_addc(b, '\n');
}

static void rule_lines(struct strbuf *b, const struct verify_by *by)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	if (by->kind == BY_NONE) {
		return;
	}
	text_by(&line, by, true);
	text_labelled(b, by->missing ? "missing" : "by", strbuf_str(&line));
	bool rule = by->kind == BY_RULE || by->kind == BY_SET || by->kind == BY_POLICY;
	if (rule && by->text && *by->text) {
		text_labelled(b, "", by->text);
	}
}

/* Services of the group, each once; @v is sorted so that a Service's differences lie together. */
static size_t count_services(const struct verify_difference *const *v, size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		count += v[i]->service && (i == 0 || v[i]->service != v[i - 1]->service);
	}
	return count;
}

/* Whom it concerns: once where it is the same for all that is shown. */
static void source_lines(struct strbuf *b, const struct verify_difference *const *v, size_t n)
{
	bool told = false;
	for (size_t i = 0; i < n; i++) {
		bool known = !v[i]->sources || !*v[i]->sources;
		for (size_t k = 0; k < i && !known; k++) {
			known = v[k]->sources && strcmp(v[k]->sources, v[i]->sources) == 0;
		}
		if (!known) {
			text_labelled(b, told ? "" : "from", v[i]->sources);
			told = true;
		}
	}
}

static void group_block(const struct report *r, struct strbuf *b, const struct verify_difference *const *v,
			size_t n)
{
	const struct verify_difference *first = v[0];
	size_t services = count_services(v, n);
	struct strbuf wanted CLEANUP(strbuf_release) = STRBUF_INIT, found CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addc(b, '\n');
	text_styled(r, b, severity_styles[first->severity], verify_kind_name(first->kind));
	strbuf_adds(b, "  ");
	strbuf_add_clean(b, first->node);
	if (first->severity != VERIFY_ERROR) {
		strbuf_addf(b, "  (%s)", severity_name(difference_severity(first->severity)));
	}
	if (first->foreign) {
		strbuf_adds(b, "  (by a rule that is not kube-proxy's)");
	}
	if (services > 1) {
		strbuf_addf(b, "  %zu Services", services);
	}
	strbuf_addc(b, '\n');
	size_t shown = r->verbose ? n : MIN(n, (size_t)TEXTS_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		strbuf_adds(b, "  ");
		strbuf_add_clean(b, v[i]->text);
		strbuf_addc(b, '\n');
	}
	if (shown < n) {
		strbuf_addf(b, "  and %zu more (-v shows them)\n", n - shown);
	}
	source_lines(b, v, shown);
	rule_lines(b, &first->by);
	fates(&wanted, first->expected, first->nexpected);
	fates(&found, first->actual, first->nactual);
	/* Session affinity, the reply's way and the hairpin are not seen in where packets end. */
	if (strcmp(strbuf_str(&wanted), strbuf_str(&found)) != 0) {
		text_labelled(b, "wanted", first->nexpected ? strbuf_str(&wanted) : "nothing");
		text_labelled(b, "found", strbuf_str(&found));
	}
	trace_command(r, b, first);
}

static int difference_blocks(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	size_t n = v->differences.len, groups = 0, left = 0;
	const struct verify_difference **all = calloc(n + 1, sizeof(*all));
	if (!all) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		all[i] = &v->differences.v[i];
	}
	qsort(all, n, sizeof(*all), compare_full);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && compare_group(&all[i], &all[end]) == 0; end++) {}
		if (r->verbose || groups++ < GROUPS_SHOWN) {
			group_block(r, b, &all[i], end - i);
		} else {
			left++;
		}
	}
	free(all);
	if (left > 0) {
		strbuf_addf(b, "\nand %zu more blocks (-v shows them)\n", left);
	}
	return 0;
}

static void peer_block(const struct report *r, struct strbuf *b, const struct verify_peer *x)
{
	size_t n = x->differences.len, shown = r->verbose ? n : MIN(n, (size_t)TEXTS_SHOWN);
	strbuf_addc(b, '\n');
	text_styled(r, b, severity_styles[x->severity], "peers");
	strbuf_adds(b, "  ");
	strbuf_add_clean(b, x->text);
	if (x->severity != VERIFY_ERROR) {
		strbuf_addf(b, "  (%s)", severity_name(difference_severity(x->severity)));
	}
	strbuf_addc(b, '\n');
	for (size_t i = 0; i < shown; i++) {
		const struct verify_peer_difference *d = &x->differences.v[i];
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		if (strcmp(d->name, d->frontend) != 0) {
			strbuf_addf(&line, "%s ", d->name);
		}
		strbuf_addf(&line, "%s: %s", d->frontend, d->text);
		strbuf_adds(b, "  ");
		strbuf_add_clean(b, strbuf_str(&line));
		strbuf_addc(b, '\n');
	}
	if (shown < n) {
		strbuf_addf(b, "  and %zu more (-v shows them)\n", n - shown);
	}
}

/* Where Services are known, that nodes agree is no news; without them it is all that can be told. */
static void peer_blocks(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	if (v->services == 0 && v->peer_frontends > 0 && !r->quiet) {
		strbuf_addf(b, "\n%zu ClusterIP frontends of %zu nodes compared with each other%s\n", v->peer_frontends,
			    v->peer_nodes.len, v->peers.len ? "" : ": none that was asked about differs");
		if (v->peer_local > 0) {
			strbuf_addf(b, "%zu more lead to local endpoints only and differ from node to node: not compared\n",
				    v->peer_local);
		}
	}
	for (size_t i = 0; i < v->peers.len; i++) {
		peer_block(r, b, &v->peers.v[i]);
	}
}

/* Several sources of one frontend may be undecided for one reason: that is said once. */
static bool said_before(const struct verify_report *v, size_t i)
{
	return i > 0 && compare_text(v->undecided.v[i].text, v->undecided.v[i - 1].text) == 0 &&
	       compare_by(&v->undecided.v[i].by, &v->undecided.v[i - 1].by) == 0;
}

static void undecided_lines(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	size_t n = v->frontends - v->decided, shown = 0, left = 0;
	if (v->undecided.len == 0) {
		return;
	}
	strbuf_addc(b, '\n');
	text_styled(r, b, STYLE_WARN, "undecided");
	strbuf_addf(b, "  %zu frontend%s\n", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < v->undecided.len; i++) {
		const struct verify_undecided *u = &v->undecided.v[i];
		if (said_before(v, i)) {
			continue;
		}
		if (shown >= GROUPS_SHOWN && !r->verbose) {
			left++;
			continue;
		}
		strbuf_adds(b, "  ");
		strbuf_add_clean(b, u->node);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, u->text);
		strbuf_addc(b, '\n');
		if (i == 0 || compare_by(&u->by, &v->undecided.v[i - 1].by) != 0) {
			rule_lines(b, &u->by);
		}
		shown++;
	}
	if (left > 0) {
		strbuf_addf(b, "  and %zu more (-v shows them)\n", left);
	}
}

/* The nodes from @first on whose configuration comes from the same place; false: the place was told before. */
static bool config_nodes(struct strbuf *b, const struct verify_report *v, size_t first)
{
	const char *source = v->configs.v[first].source;
	size_t n = 0;
	for (size_t i = 0; i < v->configs.len; i++) {
		if (compare_text(v->configs.v[i].source, source) != 0) {
			continue;
		}
		if (i < first) {
			return false;
		}
		if (n < NODES_SHOWN) {
			strbuf_adds(b, n ? ", " : "");
			strbuf_add_clean(b, v->configs.v[i].node);
		}
		n++;
	}
	if (n > NODES_SHOWN) {
		strbuf_addf(b, " and %zu more", n - NODES_SHOWN);
	}
	return true;
}

/* kube-proxy's configuration: configz (node1, node2); the rules themselves (node3) */
static void config_line(struct strbuf *b, const struct verify_report *v)
{
	for (size_t i = 0; i < v->configs.len; i++) {
		struct strbuf nodes CLEANUP(strbuf_release) = STRBUF_INIT;
		if (!config_nodes(&nodes, v, i)) {
			continue;
		}
		strbuf_adds(b, i ? "; " : "kube-proxy's configuration: ");
		strbuf_add_clean(b, v->configs.v[i].source ? v->configs.v[i].source : "not known");
		strbuf_addf(b, " (%s)", strbuf_str(&nodes));
	}
	strbuf_adds(b, v->configs.len ? "\n" : "");
}

static void rests_on(const struct report *r, struct strbuf *b, const struct verify_report *v)
{
	if (v->configs.len + v->skipped.len + v->assumed.len > 0) {
		strbuf_addc(b, '\n');
	}
	config_line(b, v);
	for (size_t i = 0; i < v->skipped.len; i++) {
		const struct verify_skipped *s = &v->skipped.v[i];
		strbuf_adds(b, "not judged: ");
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_addf(&line, "%s%s%s: %s", s->what ? s->what : "rules", s->node ? " of " : "",
			    s->node ? s->node : "", s->reason ? s->reason : s->code);
		if (s->needs && *s->needs) {
			strbuf_addf(&line, " (needs %s)", s->needs);
		}
		strbuf_add_clean(b, strbuf_str(&line));
		strbuf_addc(b, '\n');
	}
	size_t shown = r->verbose ? v->assumed.len : MIN(v->assumed.len, (size_t)ASSUMED_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		strbuf_adds(b, "assumed: ");
		strbuf_add_clean(b, v->assumed.v[i]);
		strbuf_addc(b, '\n');
	}
	if (shown < v->assumed.len) {
		strbuf_addf(b, "and %zu more assumptions (-v shows them)\n", v->assumed.len - shown);
	}
}

int verify_text(const struct report *r, const struct verify_report *v)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	text_looked_at(r, &b, NULL);
	for (size_t i = 0; r->findings && i < r->findings->findings.len; i++) {
		text_cause(r, &b, r->findings->findings.v[i], r->quiet ? DETAIL_LINE : DETAIL_FULL, false);
	}
	torn_blocks(r, &b, v);
	if (!r->quiet) {
		summary(r, &b, v);
	}
	broken_blocks(r, &b, v);
	int err = difference_blocks(r, &b, v);
	if (err < 0) {
		return err;
	}
	peer_blocks(r, &b, v);
	if (!r->quiet) {
		undecided_lines(r, &b, v);
		rests_on(r, &b, v);
	}
	return text_write(r, &b);
}
